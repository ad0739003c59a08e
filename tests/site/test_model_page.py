"""A model's page in a real browser: what it says, what can be copied, what it draws."""

from __future__ import annotations

import compileall
import re
from typing import TYPE_CHECKING

import pytest

from tests.site.conftest import serving
from tests.site.test_build import HOSTILE, hostile_registry
from zoo.catalog import quantities
from zoo.catalog.registry import load_registry
from zoo.catalog.resolver import find_architecture, resolve
from zoo.inspector.layers import load_table
from zoo.models.published_cells import NASNET_A
from zoo.site.build import render_site
from zoo.site.data import Content

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from playwright.sync_api import Page

    Open = Callable[..., Page]
    Look = Callable[..., None]


def open_model(open_page: Open, site: str, spec: str, **options: object) -> Page:
    """Open the page of a model and wait until all of it is drawn."""
    page = open_page(f"{site}model.html?model={spec}", **options)
    page.wait_for_selector("#model[aria-busy=false]")
    return page


def stages_of(page: Page) -> str:
    """What the drawing says to those who do not see it."""
    label = page.locator("svg.stages").get_attribute("aria-label") or ""
    return label.replace("\u00d7", "x")


def test_file_of_timm_is_found_on_the_hub(open_page: Open, full_site: str) -> None:
    """The page makes the repository's name, and says about how long the file is."""
    page = open_model(open_page, full_site, "timm/resnet50:a1_in1k")
    repository = page.locator("a[href='https://huggingface.co/timm/resnet50.a1_in1k']")
    assert repository.inner_text() == "timm/resnet50.a1_in1k"
    paper = page.locator("a[href='https://arxiv.org/abs/2110.00476']")
    assert paper.inner_text() == "arXiv:2110.00476"
    assert "~102 MB" in page.locator(".cards").inner_text()


def test_detector_shows_its_map(open_page: Open, site: str) -> None:
    """The figure that its task is judged by comes first."""
    page = open_model(open_page, site, "ssd300_vgg16")
    first = page.locator(".cards .card").first.inner_text()
    assert first.split() == ["box", "mAP", "25.10", "published"]


def test_page_says_what_the_record_says(open_page: Open, site: str, look: Look) -> None:
    """Figures, paper, files and the first digits of the digest."""
    page = open_model(open_page, site, "resnet50:imagenet1k_v1")
    record = load_registry().architectures["resnet50"]
    weights = record.weights["imagenet1k_v1"]
    text = page.locator("#model").inner_text()
    assert record.title in text
    assert record.paper is not None
    assert record.paper.title in text
    assert quantities.count(weights.parameters) in text
    assert quantities.count(weights.multiply_adds) in text
    assert weights.files[0].file_name in text
    assert f"begins with {weights.files[0].sha256_prefix}" in text
    cards = page.locator(".cards").inner_text()
    assert re.search(r"23\.87 %\s+published", cards)
    page.wait_for_selector("#architecture .layers")
    look(page, whole=True)


def test_name_alone_means_the_default_weights(open_page: Open, site: str) -> None:
    """As every command takes it."""
    page = open_model(open_page, site, "resnet50")
    assert page.locator("tr[aria-current] th").inner_text().startswith("imagenet1k_v2")
    page.click("a:has-text('imagenet1k_v1')")
    page.wait_for_selector("#model[aria-busy=false]")
    assert "model=resnet50:imagenet1k_v1" in page.url
    assert page.locator(".spec code").inner_text() == "resnet50:imagenet1k_v1"


def test_errors_of_unlike_protocols_stand_in_lines_of_their_own(open_page: Open, site: str) -> None:
    """Papers, publishers and our own, each with split, networks, crops and source."""
    page = open_model(open_page, site, "googlenet_2014")
    lines = page.locator("section:has(h2:has-text('Errors')) tbody tr").all_inner_texts()
    record = load_registry().architectures["googlenet_2014"]
    tests = {(each.source, each.split, each.models, each.crops) for each in record.published}
    assert len(lines) == len(tests)
    assert any("6.67" in line and "test" in line and "\t7\t" in line for line in lines)


def test_what_zoo_measured_is_marked(open_page: Open, site: str) -> None:
    """LeNet-5's error was measured here, not published."""
    page = open_model(open_page, site, "lenet5")
    line = page.locator("tr", has_text="450 images")
    assert "measured" in line.inner_text()
    assert page.locator(".card", has_text="published").count() == 0


def test_commands_are_copied_whole(open_page: Open, site: str) -> None:
    """Each way to use it has a tab and a button; the clipboard gets what is shown."""
    options = {"permissions": ["clipboard-read", "clipboard-write"]}
    page = open_model(open_page, site, "squeezenet1_1", **options)
    titles = page.get_by_role("tab").all_inner_texts()
    assert titles == ["zoo", "Python", "torch.hub", "torchvision", "curl"]
    for title in titles:
        page.get_by_role("tab", name=title, exact=True).click()
        panel = page.locator("[role=tabpanel]:visible")
        panel.get_by_role("button").click()
        panel.get_by_text("Copied").wait_for()
        assert page.evaluate("navigator.clipboard.readText()") == panel.locator("code").inner_text()
    curl = page.locator("[role=tabpanel]:visible code").inner_text()
    file = load_registry().architectures["squeezenet1_1"].weights["imagenet1k_v1"].files[0]
    assert str(file.url) in curl
    assert f"^{file.sha256_prefix}" in curl


def test_tabs_are_walked_with_arrows(open_page: Open, site: str) -> None:
    """As the pattern of tabs asks."""
    page = open_model(open_page, site, "resnet18")
    page.get_by_role("tab", name="zoo").focus()
    page.keyboard.press("ArrowRight")
    assert page.locator("[role=tab][aria-selected=true]").inner_text() == "Python"
    assert "zoo.load_model" in page.locator("[role=tabpanel]:visible").inner_text()


@pytest.mark.parametrize(
    "name", ["resnet18", "lenet5", "nasnet_a_large", "raft_small", "timm/resnet50:a1_in1k"]
)
def test_python_on_the_page_is_python(
    open_page: Open, full_site: str, tmp_path: Path, name: str
) -> None:
    """Every block compiles."""
    page = open_model(open_page, full_site, name)
    blocks = [text for text in page.locator(".code code").all_text_contents() if "import " in text]
    assert len(blocks) >= 2
    for number, block in enumerate(blocks):
        (tmp_path / f"block_{number}.py").write_text(block)
    assert compileall.compile_dir(str(tmp_path), quiet=1)


@pytest.mark.parametrize("name", ["efficientnet_b0", "timm/dm_nfnet_f3", "timm/resnet50"])
def test_preprocessing_code_does_what_zoo_does(open_page: Open, full_site: str, name: str) -> None:
    """The block on the page and zoo.transform give the same values."""
    import torch
    from PIL import Image

    import zoo

    page = open_model(open_page, full_site, name)
    block = page.locator("section:has(h2:has-text('Preprocessing')) code").inner_text()
    names: dict[str, object] = {}
    exec(block, names)  # noqa: S102 - the page's own code, the object of this test
    image = Image.effect_noise((320, 240), 60).convert("RGB")
    prepare = names["prepare"]
    assert callable(prepare)
    ours = zoo.transform(name)(image)
    assert torch.allclose(prepare(image), ours, atol=1e-6)


@pytest.mark.parametrize("name", ["resnet18", "densenet121", "swin_t", "nasnet_a_mobile"])
def test_layers_add_up_to_the_shipped_table(open_page: Open, site: str, name: str) -> None:
    """Packing keeps every row, every shape and every figure."""
    page = open_model(open_page, site, name)
    page.wait_for_selector(".layers")
    found = page.evaluate(
        """async (name) => {
          const { unpack } = await import("./assets/layers.js");
          const { loadJson, loadRecord, loadRows } = await import("./assets/rows.js");
          const rows = await loadRows();
          const record = await loadRecord(rows, rows.find(name));
          const root = unpack(await loadJson(`../data/layers/${record.layer_file}.json`), name);
          const lines = [];
          const visit = (node) => {
            lines.push([node.name, node.type, node.shape, node.parameters, node.multiplyAdds]);
            node.children.forEach(visit);
          };
          visit(root);
          return lines;
        }""",
        name,
    )
    wanted = [
        [
            layer.path.rpartition(".")[2],
            layer.type,
            list(layer.output_shape) if layer.output_shape else None,
            layer.parameters,
            layer.multiply_adds,
        ]
        for layer in load_table(name).layers
    ]
    assert found == wanted


def test_tree_folds_and_unfolds(open_page: Open, site: str) -> None:
    """By click, by key, and all at once."""
    page = open_model(open_page, site, "resnet18")
    page.wait_for_selector(".layers")
    rows = page.locator(".layers tbody tr")
    page.get_by_role("button", name="Unfold all").click()
    assert rows.count() == len(load_table("resnet18").layers)
    page.get_by_role("button", name="Fold all", exact=True).click()
    assert rows.count() == len(load_table("resnet18").select(depth=1).layers)
    fold = page.get_by_role("button", name="layer1", exact=True)
    fold.focus()
    page.keyboard.press("ArrowRight")
    assert fold.get_attribute("aria-expanded") == "true"
    page.keyboard.press("ArrowLeft")
    assert fold.get_attribute("aria-expanded") == "false"


def test_stages_are_those_of_the_paper(open_page: Open, site: str) -> None:
    """ResNet-50: 3, 4, 6 and 3 bottlenecks on maps that halve."""
    page = open_model(open_page, site, "resnet50")
    label = stages_of(page)
    for text in (
        "56x56 x 256: MaxPool2d, 3 x Bottleneck",
        "28x28 x 512: 4 x Bottleneck",
        "14x14 x 1024: 6 x Bottleneck",
        "7x7 x 2048: 3 x Bottleneck",
    ):
        assert text in label


def test_maps_with_channels_last_are_read_as_such(open_page: Open, site: str) -> None:
    """Swin's first stage has maps of 56x56 with 96 channels."""
    page = open_model(open_page, site, "swin_t")
    label = stages_of(page)
    assert "56x56 x 96" in label
    assert "7x7 x 768" in label


def test_cells_are_drawn_with_every_operation(open_page: Open, site: str, look: Look) -> None:
    """NASNet-A: five blocks of two operations in each cell."""
    page = open_model(open_page, site, "nasnet_a_mobile")
    page.wait_for_selector("svg.cell")
    normal, reduction = page.locator("svg.cell").all()
    for drawing, cell in ((normal, NASNET_A.normal), (reduction, NASNET_A.reduction)):
        assert drawing.locator("circle.add").count() == len(cell.blocks)
        assert drawing.locator("rect.separable").count() == str(cell.blocks).count("'separable")
        assert drawing.locator("path.faint").count() == len(cell.output)
    look(page, whole=True)


def test_detector_without_a_trace_has_layers_and_no_drawing(open_page: Open, site: str) -> None:
    """What depends on the image is not drawn."""
    page = open_model(open_page, site, "fasterrcnn_resnet50_fpn")
    page.wait_for_selector(".layers")
    assert page.locator("svg.stages").count() == 0
    assert "box_map" in page.locator(".facts").inner_text()


def test_weights_of_timm_have_their_errors_files_and_commands(
    open_page: Open, full_site: str, look: Look
) -> None:
    """Each figure with its images and input; the place on the Hub; timm's own name."""
    page = open_model(open_page, full_site, "timm/dm_nfnet_f3")
    assert page.locator("#architecture pre").inner_text() == "zoo inspect timm/dm_nfnet_f3"
    record = find_architecture("timm/dm_nfnet_f3")
    (weights,) = record.weights.values()
    lines = page.locator("section:has(h2:has-text('Errors')) tbody tr").all_inner_texts()
    wanted = [
        (quantities.percent(claim.top1_error_percent), quantities.percent(claim.top5_error_percent))
        for claim in weights.published
    ]
    assert [tuple(line.split("\t")[2:4]) for line in lines] == wanted
    assert page.get_by_role("link", name="dm_nfnet_f3.dm_in1k.safetensors").get_attribute(
        "href"
    ) == str(weights.files[0].url)
    page.get_by_role("tab", name="timm", exact=True).click()
    code = page.locator("[role=tabpanel]:visible code").inner_text()
    assert 'timm.create_model("dm_nfnet_f3.dm_in1k", pretrained=True)' in code
    page.get_by_role("tab", name="Hugging Face").click()
    code = page.locator("[role=tabpanel]:visible code").inner_text()
    assert code.startswith("hf download timm/dm_nfnet_f3.dm_in1k model.safetensors")
    look(page, whole=True)


@pytest.mark.parametrize(
    "spec", ["timm/resnet50:a1_in1k", "timm/eva02_base_patch14_448", "timm/cait_m36_384"]
)
def test_page_of_any_weights_says_what_zoo_inspect_says(
    open_page: Open, full_site: str, spec: str
) -> None:
    """License, data and figures come from the record."""
    page = open_model(open_page, full_site, spec)
    _, weights = resolve(spec)
    text = page.locator("#model").inner_text()
    assert quantities.count(weights.parameters) in text
    assert str(weights.license or "none stated") in text
    assert str(weights.dataset) in text


def test_unknown_model_is_said(open_page: Open, site: str) -> None:
    """With a way to all of them."""
    page = open_page(f"{site}model.html?model=resnet1")
    alert = page.get_by_role("alert")
    alert.wait_for()
    assert "no model is called resnet1" in alert.inner_text()
    assert page.get_by_role("link", name="All models").is_visible()


def test_hostile_record_stays_text(open_page: Open) -> None:
    """Markup in titles and notes is shown; a script behind a link is no link."""
    with serving(render_site(Content(hostile_registry()))) as url:
        page = open_model(open_page, url, "resnet18")
        assert page.locator("h1:has-text('alert')").inner_text() == HOSTILE
        assert page.locator("#main script, #main img").count() == 0
        links = page.locator("#model a").evaluate_all("links => links.map(link => link.href)")
        assert not any(link.startswith("javascript:") for link in links)


def test_page_fits_a_phone(open_page: Open, site: str, look: Look) -> None:
    """Wide parts scroll inside themselves."""
    page = open_model(open_page, site, "resnet50", viewport={"width": 390, "height": 844})
    page.wait_for_selector(".layers")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    look(page, whole=True)
