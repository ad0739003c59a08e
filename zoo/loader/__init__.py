"""From a record and a file to a ready network."""
