"""A notebook in JupyterLab as a person uses it: click, type, look."""

import re
from typing import Any

from walkthrough_demo import Person

SITES = ("Metro General Hospital", "Valley Clinic", "Coast Hospital")
HELD = "synthetic " + " ".join(f"≠ {site} differs, held" for site in SITES)
REAL = "✓ real"

WATCH = """() => { window.seen = []; const look = () => {
    const now = [...document.querySelectorAll('.jp-CodeCell')].map(cell => [
        cell.querySelector('.twp')?.innerText.replace(/\\s+/g, ' ').trim() ?? '', !!cell.querySelector('.jp-OutputArea-child')]);
    const last = seen[seen.length - 1];
    if (JSON.stringify(last) !== JSON.stringify(now)) seen.push(now);
    requestAnimationFrame(look);
}; look(); }"""
"""Remembers, frame by frame, each cell's strip."""

MARK = """cell => { cell.dataset.ran = 'no'; const prompt = cell.querySelector('.jp-InputPrompt');
    const look = new MutationObserver(() => { if (/\\d/.test(prompt.innerText)) { cell.dataset.ran = 'yes'; look.disconnect(); } });
    look.observe(prompt, {childList: true, characterData: true, subtree: true}); }"""
"""Says on the cell itself when its prompt is given a number again, be it the same."""


class Lab:
    """A notebook that is open."""

    def __init__(self, person: Person) -> None:
        self.person, self.page = person, person.page

    # ------------------------------------------------------------ the page

    def wait_open(self, code_cells: int) -> "Lab":
        """Until the notebook is there whole and its kernel is idle."""
        self.page.wait_for_selector(".jp-Notebook .jp-CodeCell", timeout=120_000)
        self.page.wait_for_function(f"document.querySelectorAll('.jp-CodeCell').length >= {code_cells}")
        self.wait_idle()
        self.page.evaluate(WATCH)
        return self

    def wait_idle(self, seconds: float = 90) -> None:
        """Until the status bar says that the kernel is idle."""
        self.page.locator("#jp-bottom-panel, #jp-main-statusbar").get_by_text("Twinpane | Idle").wait_for(timeout=seconds * 1000)

    def menu(self, *path: str) -> None:
        """Choose from the menu bar."""
        self.page.locator(".lm-MenuBar-itemLabel").get_by_text(path[0], exact=True).click()
        for name in path[1:]:
            self.page.locator(".lm-Menu-itemLabel").get_by_text(re.compile(rf"^{re.escape(name)}…?$")).last.click()

    def confirm(self, button: str) -> None:
        """Answer the dialog."""
        self.page.locator(".jp-Dialog button").get_by_text(button, exact=True).click()
        self.page.locator(".jp-Dialog").wait_for(state="detached")

    def debugger(self, on: bool) -> None:
        """Switch it on with its panel, or off without."""
        button = ".jp-NotebookPanel-toolbar .jp-DebuggerBugButton"
        self.page.locator(f"{button}[aria-pressed={str(not on).lower()}]").click()
        self.page.locator(f"{button}[aria-pressed={str(on).lower()}]").wait_for()
        panel = self.page.locator("#jp-debugger-sidebar")
        if panel.is_visible() is not on:
            self.page.locator("[data-id=jp-debugger-sidebar]").click()
            panel.wait_for(state="visible" if on else "hidden")

    # ------------------------------------------------------------ cells, counted from 0 among code cells

    def cell(self, index: int) -> Any:
        return self.page.locator(".jp-CodeCell").nth(index)

    def prompt(self, index: int) -> str:
        return str(self.cell(index).locator(".jp-InputPrompt").inner_text())

    def focus(self, index: int) -> None:
        """Put the cursor into the cell."""
        cell = self.cell(index)
        cell.scroll_into_view_if_needed()
        cell.locator(".cm-content").click()

    def start(self, index: int) -> None:
        """Run a cell and do not wait."""
        self.focus(index)
        self.page.keyboard.press("Control+Enter")

    def run(self, index: int, seconds: float = 60) -> None:
        """Run a cell and wait until it has run outside; sites may still be at work."""
        self.cell(index).evaluate(MARK)
        self.start(index)
        self.page.wait_for_function(
            "i => document.querySelectorAll('.jp-CodeCell')[i].dataset.ran === 'yes'", arg=index, timeout=seconds * 1000
        )

    def write(self, index: int, code: str) -> None:
        """Replace a cell's code."""
        self.focus(index)
        self.page.keyboard.press("Control+a")
        self.page.keyboard.insert_text(code)

    def add_below(self, index: int) -> int:
        """A new cell below; returns its index."""
        self.focus(index)
        self.page.keyboard.press("Escape")
        self.page.keyboard.press("b")
        return index + 1

    # ------------------------------------------------------------ what stands below a cell

    def look_at(self, index: int) -> None:
        """Scroll the cell into sight: JupyterLab draws what is out of sight later, or not at all."""
        self.cell(index).evaluate("e => e.scrollIntoView({block: 'center'})")

    def output(self, index: int) -> str:
        """The text a reader sees there, strip and all, on one line."""
        found = self.cell(index).locator(".jp-Cell-outputArea .jp-OutputArea-output:visible").all_inner_texts()
        return re.sub(r"\s+", " ", " ".join(found)).strip()

    def room(self, index: int) -> float:
        """Pixels that a cell's outputs take, from top to bottom."""
        return float(self.cell(index).locator(".jp-Cell-outputWrapper").evaluate("e => e.getBoundingClientRect().height"))

    def strip(self, index: int) -> str:
        """What the strip says; empty where there is none."""
        found = self.cell(index).locator(".twp")
        return re.sub(r"\s+", " ", found.first.inner_text()).strip() if found.count() else ""

    def wait_strip(self, index: int, text: str, seconds: float = 60) -> None:
        """Until the strip's text has this in it."""
        self.look_at(index)
        self.page.wait_for_function(
            "([i, text]) => document.querySelectorAll('.jp-CodeCell')[i].querySelector('.twp')?.innerText"
            ".replace(/\\s+/g, ' ').includes(text)",
            arg=[index, text], timeout=seconds * 1000,
        )  # fmt: skip

    def wait_says(self, index: int, pattern: str, seconds: float = 60) -> None:
        """Until this regular expression is found in what the cell shows: prompt, code, outputs, strip."""
        self.look_at(index)
        self.page.wait_for_function(
            "([i, pattern]) => new RegExp(pattern).test("
            "document.querySelectorAll('.jp-CodeCell')[i].innerText.replace(/\\s+/g, ' '))",
            arg=[index, pattern], timeout=seconds * 1000,
        )  # fmt: skip

    def wait_quiet(self, index: int, seconds: float = 60) -> None:
        """Until the cell shows nothing at all."""
        self.look_at(index)
        self.page.wait_for_function(
            "i => { const w = document.querySelectorAll('.jp-CodeCell')[i].querySelector('.jp-Cell-outputWrapper');"
            "return w.getBoundingClientRect().height === 0 }",
            arg=index, timeout=seconds * 1000,
        )  # fmt: skip

    def history(self, index: int) -> list[str]:
        """Every strip that stood under a cell since the notebook was opened, in order, each once in a row."""
        strips = [now[index][0] for now in self.page.evaluate("seen") if len(now) > index]
        return [text for place, text in enumerate(strips) if place == 0 or strips[place - 1] != text]

    def shot(self, name: str, index: int | None = None) -> None:
        """Keep the screen, with this cell in sight."""
        if index is not None:
            self.look_at(index)
            self.page.wait_for_timeout(150)
        self.person.shot(name)
