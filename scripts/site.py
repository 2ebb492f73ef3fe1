"""What the documentation consists of: the pages of docs/site, and references made from the code.

python scripts/site.py FOLDER, with the package installed and `absint` on the path.
"""

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import site_pictures

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "python" / "absint"


def signature(function: ast.FunctionDef) -> str:
    """A function as it is called, one argument a line where it is long."""
    function.args.args = [a for a in function.args.args if a.arg not in ("self", "cls")]
    arguments = ast.unparse(function.args)
    returns = f" -> {ast.unparse(function.returns)}" if function.returns else ""
    line = f"{function.name}({arguments}){returns}"
    if len(line) <= 80:
        return line
    parts = re.split(r", (?=[*\w]+[:=,]|\*, |\*$)", arguments)
    return f"{function.name}(\n" + "".join(f"    {part},\n" for part in parts) + f"){returns}"


def explained(node: ast.AST) -> str:
    """The docstring in Markdown: roles become code, argument lists become lists."""
    text = ast.get_docstring(node) or ""
    text = re.sub(r":(?:func|mod|class):`(?:absint\.)?([^`]+)`", r"`\1`", text)
    text = text.replace("``", "`")
    text = re.sub(r"^(Args|Returns):\n", r"**\1**\n\n", text, flags=re.M)
    text = re.sub(r"^    (\w+): ", r"* `\1`: ", text, flags=re.M)
    # An indented block after a double colon is code.
    blocks = re.split(r"::\n\n((?:    .*\n|\n)+)", text + "\n")
    for i in range(1, len(blocks), 2):
        code = re.sub(r"^    ", "", blocks[i], flags=re.M).strip()
        blocks[i] = f":\n\n```python\n{code}\n```\n\n"
    blocks[::2] = [re.sub(r"^    +(?=\S)", "", block, flags=re.M) for block in blocks[::2]]
    return "".join(blocks).strip()


def function_page(function: ast.FunctionDef, prefix: str, level: str) -> str:
    return f"{level} `{prefix}{function.name}`\n\n```python\n{signature(function)}\n```\n\n{explained(function)}\n\n"


def class_page(definition: ast.ClassDef, prefix: str) -> str:
    page = f"### `{prefix}{definition.name}`\n\n{explained(definition)}\n\n"
    for member in definition.body:
        if not isinstance(member, ast.FunctionDef) or member.name.startswith("_"):
            continue
        decorators = [ast.unparse(decorator) for decorator in member.decorator_list]
        if "property" in decorators:
            page += f"* `{member.name}`: `{ast.unparse(member.returns)}`. {explained(member)}\n"
        elif ast.get_docstring(member):
            page += f"* `{signature(member)}`: {explained(member)}\n".replace("\n    ", " ")
    return page + "\n"


def bnn_reference() -> str:
    """What trains binarized networks: functions, and the settings of a run with their defaults."""
    folder = PACKAGE / "bnn"
    functions, settings = "", ""
    for file in ["training.py", "export.py", "evaluation.py", "attack.py"]:
        wanted = ("train", "load", "export", "to_onnx", "network_of", "evaluate", "pgd", "accuracy", "attacked_accuracy")
        for node in ast.parse((folder / file).read_text()).body:
            if isinstance(node, ast.FunctionDef) and node.name in wanted and (file, node.name) != ("training.py", "network_of"):
                functions += function_page(node, "absint.bnn.", "###")
    config = next(n for n in ast.parse((folder / "config.py").read_text()).body if isinstance(n, ast.ClassDef))
    for member, after in zip(config.body, [*config.body[1:], None]):
        if isinstance(member, ast.AnnAssign):
            is_text = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
            text = re.sub(r"\s+", " ", after.value.value.replace("``", "`")) if is_text else ""
            settings += f"* `{ast.unparse(member.target)} = {ast.unparse(member.value)}` {text}\n"
    module = ast.parse((folder / "__init__.py").read_text())
    return f"## `absint.bnn`\n\n{explained(module)}\n\n### `absint.bnn.Config`\n\n{settings}\n{functions}"


def python_reference() -> str:
    """The public names of the package, from its sources."""
    front = ast.parse((PACKAGE / "__init__.py").read_text())
    public = next(
        ast.literal_eval(node.value)
        for node in front.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    )
    files = ["__init__.py", "_campaign.py", "_torch.py", "_results.py", "_absint.pyi"]
    functions, classes = "", ""
    for file in files:
        for node in ast.parse((PACKAGE / file).read_text()).body:
            if getattr(node, "name", None) not in public:
                continue
            if isinstance(node, ast.FunctionDef):
                if file != "_absint.pyi":
                    functions += function_page(node, "absint.", "###")
            elif isinstance(node, ast.ClassDef):
                classes += class_page(node, "absint.")
    module = ast.parse((PACKAGE / "distributed.py").read_text())
    distributed = "".join(
        function_page(node, "absint.distributed.", "###")
        for node in module.body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_") and node.name != "neurons"
    )
    return (
        f"# Python reference\n\n{explained(front)}\n\n## Functions\n\n{functions}## Classes\n\n{classes}"
        f"## `absint.distributed`\n\n{explained(module)}\n\n{distributed}{bnn_reference()}"
    )


def command_line_reference() -> str:
    """What `--help` says, of the program and every command."""

    def said(*arguments: str) -> str:
        return subprocess.run(["absint", *arguments], capture_output=True, text=True, check=True).stdout

    main = said("--help")
    commands = re.findall(r"^  ([a-z]+) ", main.split("Commands:")[1].split("Options:")[0], flags=re.M)
    page = f"# Command line\n\n```\n{main}```\n\n"
    for command in commands:
        if command != "help":
            page += f"## `absint {command}`\n\n```\n{said(command, '--help')}```\n\n"
    return page


def rust_reference() -> str:
    """The front page of the library."""
    lines = (ROOT / "src" / "lib.rs").read_text().splitlines()
    page, is_code = [], False
    for line in (line[3:].removeprefix(" ") for line in lines if line.startswith("//!")):
        if line.startswith("```"):
            line = line if is_code else "```rust"
            is_code = not is_code
        elif is_code and (line == "#" or line.startswith("# ")):
            # Hidden in rustdoc.
            continue
        elif not is_code:
            # Links of rustdoc lead nowhere here.
            line = re.sub(r"^# ", "## ", re.sub(r"\[`(?:mod@)?([^`]+)`\](\([^)]*\))?", r"`\1`", line))
        page.append(line)
    head = "# Rust\n\nThe library's own reference is made by `cargo doc --open`; this is its front page.\n\n"
    return head + "\n".join(page) + "\n"


def main() -> None:
    folder = Path(sys.argv[1])
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ROOT / "docs" / "site", folder)
    reference, pictures = folder / "reference", folder / "pictures"
    reference.mkdir()
    pictures.mkdir(exist_ok=True)
    (reference / "python.md").write_text(python_reference())
    (reference / "command-line.md").write_text(command_line_reference())
    (reference / "rust.md").write_text(rust_reference())
    for page in ("formats", "vnnlib", "float32", "errors"):
        text = (ROOT / "docs" / f"{page}.md").read_text()
        # Links to files of the repository that are no pages of the site.
        (reference / f"{page}.md").write_text(re.sub(r"\[([^\]]+)\]\((?!#|http|float32|formats|vnnlib|errors)[^)]+\)", r"\1", text))
    for picture in ("gap.svg", "margin-time.svg"):
        shutil.copy(ROOT / "docs" / picture, pictures / picture)
    site_pictures.draw(pictures)


main()
