"""The pages in a real browser, on the running program: live without a reload, a sync by the button, keys, any screen."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rooms.web.browser import CHROMIUM, Browser, browser
from tests.system.program import Program, Repository, eventually, program

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not on PATH"),
]

URL = "https://git.example.com/pages.git"
CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: NAME\n  namespace: default\ndata: {word: 'WORD'}\n"
SOURCE = f"""\
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {{name: pages, namespace: default}}
spec: {{interval: 10m, url: "{URL}", ref: {{branch: main}}}}
"""
UNIT = """\
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: NAME, namespace: default}
spec: {interval: 10m, path: ./NAME, prune: true, sourceRef: {kind: GitRepository, name: pages}}
"""
BY_HAND = f"""\
---
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {{name: by-hand, namespace: argocd}}
spec:
  project: default
  source: {{repoURL: "{URL}", path: by-hand, targetRevision: main}}
  destination: {{server: https://kubernetes.default.svc, namespace: default}}
"""


class Screen:
    """The browser, the program and its repository."""

    def __init__(self, browser: Browser, running: Program, repository: Repository, pictures: Path) -> None:
        self.browser, self.running, self.repository, self.pictures = browser, running, repository, pictures
        lines = eventually(lambda: [line for line in running.log.splitlines() if line.startswith("pages ")])
        self.link = lines[0].split()[-1]
        self.base = self.link.split("/login")[0]

    def cell(self, id: str, field: str) -> str:
        """JavaScript that reads a field of a unit's row."""
        return f"document.querySelector('[data-unit=\"{id}\"] [data-field={field}]')?.textContent"

    def picture(self, name: str) -> None:
        """Kept beside the test's other files, for people."""
        self.browser.picture(self.pictures / f"{name}.png")

    def wide(self) -> bool:
        """Whether the page is wider than the screen."""
        return bool(self.browser.ask("document.documentElement.scrollWidth > innerWidth"))


@pytest.fixture(scope="module")
def screen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Screen]:
    """A cluster with a Kustomization and an Application that waits for a person."""
    home = tmp_path_factory.mktemp("pages")
    repository = Repository.of(home / "repository")
    repository.write("begin/units.yaml", SOURCE + UNIT.replace("NAME", "one") + BY_HAND)
    repository.write("begin/kustomization.yaml", "resources: [units.yaml]\n")
    repository.write("one/a.yaml", CONFIG.replace("NAME", "one").replace("WORD", "first"))
    repository.write("by-hand/a.yaml", CONFIG.replace("NAME", "by-hand").replace("WORD", "first"))
    repository.commit("begin")
    pictures = Path(os.environ.get("TRUEUP_TEST_PICTURES") or home / "pictures")
    pictures.mkdir(parents=True, exist_ok=True)
    arguments = (str(repository.folder), "--path", "begin", "--map", f"{URL}={repository.folder}")
    with program(home / "run", *arguments) as running, browser(home / "profile") as opened:
        opened.size(1280, 800)
        yield Screen(opened, running, repository, pictures)


def test_the_printed_link_opens_the_list(screen: Screen) -> None:
    """Without it there is a place to sign in; with it, every unit and its state."""
    screen.browser.open(screen.base + "/")
    assert screen.browser.ask("location.pathname") == "/login"
    screen.picture("sign-in")
    screen.browser.open(screen.link)
    screen.browser.until(f"{screen.cell('kustomization/default/one', 'health')} === 'Healthy'")

    screen.browser.until(f"{screen.cell('application/argocd/by-hand', 'sync')} === 'OutOfSync'")
    assert screen.browser.ask("location.pathname + location.search") == "/"
    assert screen.browser.ask("document.cookie") == ""
    screen.picture("list")


def test_the_list_follows_a_commit_without_a_reload(screen: Screen) -> None:
    """Revisions change, new units come, those that are gone go, and the sums with them."""
    browser = screen.browser
    browser.ask("window.loaded = 'once'")
    screen.repository.write(
        "begin/units.yaml", SOURCE + UNIT.replace("NAME", "one") + UNIT.replace("NAME", "two") + BY_HAND
    )
    screen.repository.write("two/a.yaml", CONFIG.replace("NAME", "two").replace("WORD", "second"))
    commit = screen.repository.commit("a second unit")
    browser.until(f"{screen.cell('kustomization/default/two', 'health')} === 'Healthy'")
    browser.until(f"{screen.cell('kustomization/default/one', 'revision')} === 'main@{commit[:7]}'")
    order = browser.ask("[...document.querySelectorAll('tr[data-unit]')].map((row) => row.dataset.unit)")
    assert order == sorted(order)
    assert browser.ask("document.querySelector('[data-sums]').textContent").startswith("4 in all")
    screen.repository.write("begin/units.yaml", SOURCE + UNIT.replace("NAME", "one") + BY_HAND)
    screen.repository.commit("without it")
    browser.until("!document.querySelector('[data-unit=\"kustomization/default/two\"]')")

    assert browser.ask("window.loaded") == "once"
    assert browser.errors == []


def test_a_sync_by_the_button(screen: Screen) -> None:
    """The difference is shown, the button applies it, and the page becomes what is true, without a reload."""
    browser = screen.browser
    browser.open(f"{screen.base}/units/application/argocd/by-hand")
    browser.until("document.querySelector('[data-diff]').textContent.includes('create')")
    browser.ask("window.loaded = 'once'")
    screen.picture("unit-before")
    assert screen.running.get("configmap", "by-hand") is None
    browser.ask("document.querySelector('[data-action=sync]').click()")
    browser.until("document.querySelector('[data-answer]').textContent === 'sync asked for'")
    browser.until("document.querySelector('[data-page] [data-field=sync]').textContent === 'Synced'")
    browser.until("document.querySelector('[data-diff]').textContent.includes('1 in sync')")
    browser.until("document.querySelector('#history').textContent.includes('web')")

    assert screen.running.get("configmap", "by-hand")["data"] == {"word": "first"}
    assert browser.ask("window.loaded") == "once"
    assert browser.errors == []
    screen.picture("unit-after")


def test_a_refusal_is_shown(screen: Screen) -> None:
    """What the unit answers stands beside the buttons."""
    browser = screen.browser
    browser.open(f"{screen.base}/units/kustomization/default/one")
    browser.ask("document.querySelector('[data-action=suspend]').click()")
    browser.until("document.querySelector('[data-action=resume]')")
    browser.ask("document.querySelector('[data-action=sync]').click()")
    browser.until("document.querySelector('[data-answer].wrong')?.textContent.includes('resume it first')")
    screen.picture("refused")
    browser.ask("document.querySelector('[data-action=resume]').click()")
    browser.until("document.querySelector('[data-action=suspend]')")


def test_a_unit_that_goes_says_so(screen: Screen) -> None:
    """Its page becomes one that leads back."""
    browser = screen.browser
    screen.repository.write("three/a.yaml", CONFIG.replace("NAME", "three").replace("WORD", "x"))
    screen.repository.write(
        "begin/units.yaml", SOURCE + UNIT.replace("NAME", "one") + UNIT.replace("NAME", "three") + BY_HAND
    )
    screen.repository.commit("a third unit")
    eventually(lambda: screen.running.get("kustomization", "three"))
    browser.open(f"{screen.base}/units/kustomization/default/three")
    screen.repository.write("begin/units.yaml", SOURCE + UNIT.replace("NAME", "one") + BY_HAND)
    screen.repository.commit("without it")

    browser.until("document.querySelector('h1').textContent === 'Not here'")
    screen.picture("missing")
    browser.errors.clear()


def test_keys_find_and_walk(screen: Screen) -> None:
    """``/`` finds, Escape gives up, ``j`` and ``k`` walk the list."""
    browser = screen.browser
    browser.open(screen.base + "/")
    browser.key("/")
    assert browser.ask("document.activeElement.type") == "search"
    browser.call("Input.insertText", text="by-hand")
    shown = "[...document.querySelectorAll('tr[data-unit]')].filter((row) => !row.hidden).length"
    browser.until(f"{shown} === 1")
    browser.call("Input.insertText", text="nothing at all")
    browser.until("!document.querySelector('[data-unfound]').hidden")
    screen.picture("unfound")
    browser.key("Escape")
    browser.until(f"{shown} === 3")
    browser.ask("document.querySelector('[data-only=Healthy]').click()")
    browser.until("document.querySelector('[data-only=Healthy]').getAttribute('aria-pressed') === 'true'")
    assert browser.ask("document.querySelector('[data-find]').value") == "Healthy"
    browser.ask("document.querySelector('[data-only=Healthy]').click()")
    browser.until(f"{shown} === 3 && document.querySelector('[data-find]').value === ''")
    browser.key("j")
    first = browser.ask("document.activeElement.textContent")
    browser.key("j")
    second = browser.ask("document.activeElement.textContent")
    browser.key("k")

    assert (first, second) == ("argocd/by-hand", "default/one")
    assert browser.ask("document.activeElement.textContent") == first


def test_small_and_dark_screens_hold_everything(screen: Screen) -> None:
    """A phone need not scroll sideways; the colours follow the system."""
    browser = screen.browser
    for path, name in (("/", "list"), ("/units/application/argocd/by-hand", "unit"), ("/login", "sign-in")):
        browser.size(390, 844, dark=True)
        browser.open(screen.base + path)
        assert not screen.wide(), name
        dark = browser.ask("getComputedStyle(document.body).backgroundColor")
        screen.picture(f"{name}-phone-dark")
        browser.size(1280, 800)
        assert browser.ask("getComputedStyle(document.body).backgroundColor") != dark


def test_a_lost_server_is_told_and_found_again(screen: Screen) -> None:
    """The page says that it is not live, and catches up once the server is back."""
    browser = screen.browser
    browser.size(1280, 800)
    browser.open(screen.base + "/")
    address = screen.base.removeprefix("https://")
    screen.running.stop()
    browser.until("document.querySelector('[data-link]').textContent.startsWith('Not live')")
    screen.picture("not-live")
    screen.running.arguments += ["--listen", address]
    screen.running.start()
    browser.until("document.querySelector('[data-link]').hidden", within=40)
    screen.repository.write("one/a.yaml", CONFIG.replace("NAME", "one").replace("WORD", "again"))
    commit = screen.repository.commit("after the restart")

    browser.until(f"{screen.cell('kustomization/default/one', 'revision')} === 'main@{commit[:7]}'")
