"""The programs of the README do what it says."""

import re
from pathlib import Path

README = (Path(__file__).parents[1] / "README.md").read_text("utf-8")
FIRST, SECOND = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def test_first_program_prints_what_the_readme_says(capsys):
    exec(compile(FIRST, "README.md", "exec"), {})
    printed = capsys.readouterr().out.split("\n")
    assert [f"`{line}`" for line in printed if line] == re.findall(r"`[^`]*`", README.split("This prints ")[1].split(".\n")[0])


def test_second_program_fetches_a_guarded_page(capsys, site):
    exec(compile(SECOND.replace("https://shop.example/agents", f"{site.url}/inline"), "README.md", "exec"), {})
    assert capsys.readouterr().out == "200\n"
