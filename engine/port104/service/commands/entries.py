"""`port104 create`, `update`, `show`, `list` and `delete`: AE titles, sources, destinations and pipelines.

Each verb is written once, and made for each kind.
"""

import shlex
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import click

from port104.service.commands import completion, echoing
from port104.service.commands.entry_flags import SETTINGS
from port104.service.commands.faults import RefusedError
from port104.service.commands.flags import (
    changed,
    entry_options,
    explained,
    says_anything,
)
from port104.service.commands.output import is_terminal, output_option, print_document, print_rows, words
from port104.service.commands.places import place_of, place_options
from port104.service.escaping import escape

if TYPE_CHECKING:
    from port104.service.commands.keeping import Document, Keeper, Shown
    from port104.service.registration import Kind

TITLES = {"aetitle": "AE title", "src": "source", "dest": "destination", "pipeline": "pipeline"}
"""Word of a kind -> what it is called."""

_ALIASES = {
    "aet": "aetitle",
    "claraaet": "aetitle",
    "source": "src",
    "dst": "dest",
    "destination": "dest",
}
"""Clara's other words for kinds, and the whole ones."""

_ARTICLES = {
    "aetitle": "an AE title",
    "src": "a source",
    "dest": "a destination",
    "pipeline": "a pipeline",
}

_EXAMPLES = {
    ("create", "aetitle"): (
        "port104 create aetitle -a COVIDAET pipeline-covid=ID",
        "port104 create aetitle -a COVIDAET --timeout 30 --group-by 0020,000E --overwrite",
    ),
    ("create", "src"): (
        "port104 create src -a MYPACS -i 10.0.0.5",
        "port104 create src -a CT1 -i 10.1.0.0/24 -i ct1.hospital.example",
    ),
    ("create", "dest"): (
        "port104 create dest -n MYPACS -a MYPACSAET -i 10.0.0.5 -p 1104 --echo",
        "port104 create dest -n VNA -a VNA -i vna.hospital.example -p 2762 --tls --associations 4",
        "port104 create dest -n CLOUD --dicomweb https://pacs.example/dicom-web",
    ),
    ("create", "pipeline"): (
        'port104 create pipeline -n covid --command "python3 /opt/covid.py" --destination MYPACS',
        "port104 create pipeline -n triage --webhook https://triage.example/runs --time-limit 600",
        "port104 create pipeline -n archive --folder /srv/archive/incoming",
        "port104 create pipeline -n lung --image registry.example/lung:2 --limit nvidia.com/gpu=1",
    ),
    ("update", "aetitle"): (
        "port104 update aetitle COVIDAET pipeline-covid=OTHER-ID",
        "port104 update aetitle COVIDAET pipeline-covid= --timeout 60",
    ),
    ("update", "src"): ("port104 update src MYPACS -i 10.0.0.6",),
    ("update", "dest"): ("port104 update dest MYPACS -p 11112 --no-tls",),
    ("update", "pipeline"): (
        "port104 update pipeline covid --concurrency 2 -e THREADS=4",
        'port104 update pipeline covid --command "python3 /opt/covid-2.py"',
    ),
}


class _Kinds(click.Group):
    """One verb, with a command for each kind."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Find it by any of its words."""
        return super().get_command(ctx, _ALIASES.get(cmd_name, cmd_name))


def _kind(word: str) -> "Kind":
    from port104.service.registration import KINDS  # noqa: PLC0415 - help does not need it

    return next(kind for kind in KINDS if kind.word == word)


def _work(word: str, options: dict[str, Any], work: "Callable[[Keeper], None]", *, change: bool) -> None:
    """Do what a verb does; what is wrong with a flag is said of the flag."""
    from port104.service.commands.reaching import reach  # noqa: PLC0415 - help does not need it

    try:
        with reach(place_of(options), change=change) as keeper:
            work(keeper)
    except RefusedError as fault:
        if not fault.faults:
            raise
        lines = explained(word, fault.faults)
        text = lines[0] if len(lines) == 1 else "\n  ".join([f"{len(lines)} faults:", *lines])
        raise type(fault)(text) from fault


def _say(done: str, word: str, shown: "Shown", keeper: "Keeper") -> None:
    note = f" ({keeper.note})" if keeper.note else ""
    click.echo(escape(f'{done} {TITLES[word]} "{shown.name}"{note}'))


def _say_created(word: str, shown: "Shown", keeper: "Keeper") -> None:
    """Say it; of a pipeline that its ID is wanted, and alone where a program reads it."""
    if word != "pipeline":
        _say("created", word, shown, keeper)
    elif is_terminal():
        _say("created", word, shown, keeper)
        click.echo(escape(f"its PIPELINE-ID: {shown.document['id']}"))
    else:
        click.echo(escape(str(shown.document["id"])))


def _end_change(shown: "Shown", keeper: "Keeper", output: str, *, echo: bool) -> None:
    """Show an entry that was changed, warn of what it lacks, and ask it whether it answers."""
    _warn(shown.warnings)
    outcome = keeper.echo(shown.name) if echo else None
    if output != "table":
        print_document(shown.document if outcome is None else shown.document | {"echo": outcome}, output)
    if outcome is not None:
        echoing.check(outcome)
        if output == "table":
            echoing.say(outcome, shown.document)


def _warn(warnings: Iterable[str]) -> None:
    for each in warnings:
        click.echo(escape(f"warning: {each}"), err=True)


# ---- create, update ----


@click.group(cls=_Kinds)
def create() -> None:
    """Create an AE title, a source, a destination or a pipeline.

    It holds for the next association; nothing has to be restarted.
    """


def _creator(word: str) -> Callable[..., None]:
    def command(output: str, *, echo: bool = False, **options: Any) -> None:
        def work(keeper: "Keeper") -> None:
            shown = keeper.create(_kind(word), changed(word, {}, options))
            if output == "table":
                _say_created(word, shown, keeper)
            _end_change(shown, keeper, output, echo=echo)

        _work(word, options, work, change=True)

    return command


@click.group(cls=_Kinds)
def update() -> None:
    """Change what is given of an AE title, a source, a destination or a pipeline; the rest stays.

    A list takes the place of the list that was there, and an empty one ('') empties it.
    """


def _updater(word: str) -> Callable[..., None]:
    def command(name: str, output: str, *, echo: bool = False, **options: Any) -> None:
        if not says_anything(word, options):
            raise click.UsageError("nothing to change: give what is to be other than it is")

        def work(keeper: "Keeper") -> None:
            old = keeper.entry(_kind(word), name)
            before = {key: value for key, value in old.document.items() if key != "origin"}
            document = changed(word, before, options)
            same = document == before  # for scripts that say it each time
            shown = old if same else keeper.replace(_kind(word), name, document, old.revision)
            if output == "table":
                _say("unchanged:" if same else "updated", word, shown, keeper)
            _end_change(shown, keeper, output, echo=echo)

        _work(word, options, work, change=True)

    return command


# ---- show, list, delete ----


@click.group(cls=_Kinds)
def show() -> None:
    """Show an AE title, a source, a destination or a pipeline, and where it comes from."""


def _shower(word: str) -> Callable[..., None]:
    def command(name: str, output: str, **options: Any) -> None:
        def work(keeper: "Keeper") -> None:
            document = keeper.entry(_kind(word), name).document
            if output == "table":
                print_rows(("key", "value"), [(key, words(value)) for key, value in document.items()])
            else:
                print_document(document, output)

        _work(word, options, work, change=False)

    return command


@click.group(name="list", cls=_Kinds)
def list_() -> None:
    """List AE titles, sources, destinations or pipelines."""


_COLUMNS: "dict[str, dict[str, Callable[[Document], Any]]]" = {
    "aetitle": {
        "name": lambda of: of["name"],
        "AE title": lambda of: of["aeTitle"],
        "settings": lambda of: of[SETTINGS],
        "overwrite": lambda of: of["overwriteSameInstance"] or None,
        "allowed SOP classes": lambda of: of["allowedSopClasses"],
        "ignored SOP classes": lambda of: of["ignoredSopClasses"],
        "transfer syntaxes": lambda of: of["acceptedTransferSyntaxes"],
        "from": lambda of: of["origin"],
    },
    "src": {
        "name": lambda of: of["name"],
        "AE title": lambda of: of["aeTitle"],
        "hosts": lambda of: [*filter(None, [of["hostIp"]]), *of["hosts"]],
        "certificates": lambda of: of["certificateNames"] + of["certificateFingerprints"],
        "allowed SOP classes": lambda of: of["allowedSopClasses"],
        "ignored SOP classes": lambda of: of["ignoredSopClasses"],
        "from": lambda of: of["origin"],
    },
    "dest": {
        "name": lambda of: of["name"],
        "AE title": lambda of: of["aeTitle"],
        "host": lambda of: of["hostIp"],
        "port": lambda of: of["port"],
        "URL": lambda of: of["url"],
        "TLS": lambda of: of["tls"] or None,
        "associations": lambda of: of["associations"],
        "window": lambda of: of["window"],
        "from": lambda of: of["origin"],
    },
    "pipeline": {
        "name": lambda of: of["name"],
        "ID": lambda of: of["id"],
        "command": lambda of: shlex.join(of["command"]),
        "webhook": lambda of: of["webhook"],
        "folder": lambda of: of["folder"],
        "image": lambda of: (of["kubernetes"] or {}).get("image"),
        "concurrency": lambda of: of["concurrency"],
        "time limit": lambda of: of["timeLimit"],
        "retries": lambda of: of["retries"],
        "destinations": lambda of: of["destinations"],
        "from": lambda of: of["origin"],
    },
}
"""Word of a kind -> the columns of its list."""


def _lister(word: str) -> Callable[..., None]:
    def command(output: str, **options: Any) -> None:
        def work(keeper: "Keeper") -> None:
            documents = keeper.entries(_kind(word))
            if output == "table":
                columns = _COLUMNS[word]
                rows = [[words(cell(document)) for cell in columns.values()] for document in documents]
                print_rows([*columns], rows)
            else:
                print_document(documents, output)

        _work(word, options, work, change=False)

    return command


@click.group(cls=_Kinds)
def delete() -> None:
    """Delete AE titles, sources, destinations or pipelines.

    Associations that run go on; the next one is judged without them.
    """


def _deleter(word: str) -> Callable[..., None]:
    def command(names: tuple[str, ...], **options: Any) -> None:
        def work(keeper: "Keeper") -> None:
            for name in names:
                shown = keeper.delete(_kind(word), name)
                _say("deleted", word, shown, keeper)
                _warn(shown.warnings)

        _work(word, options, work, change=True)

    return command


# ---- made for each kind ----


def _examples(verb: str, word: str) -> str:
    name = "" if verb == "list" else " covid" if word == "pipeline" else " MYPACS"
    lines = _EXAMPLES.get((verb, word)) or (f"port104 {verb} {word}{name}",)
    return "\n".join(["\b", "Examples:" if len(lines) > 1 else "Example:", *(f"  {line}" for line in lines)])


def _add(group: click.Group, word: str, command: Callable[..., None], text: str) -> None:
    command.__doc__ = text
    verb = str(group.name)
    made = click.command(name=word, epilog=_examples(verb, word))(place_options(command))
    group.add_command(made)


for _word, _article in _ARTICLES.items():
    _name = click.argument("name", shell_complete=completion.entry_names(_word))
    _names = click.argument(
        "names", nargs=-1, required=True, metavar="NAME...", shell_complete=completion.entry_names(_word)
    )
    _asking = echoing.echo_option if _word == "dest" else lambda command: command
    _add(
        create,
        _word,
        entry_options(_word, new=True)(_asking(output_option(_creator(_word)))),
        f"Create {_article}.",
    )
    _add(
        update,
        _word,
        _name(entry_options(_word, new=False)(_asking(output_option(_updater(_word))))),
        f"Change what is given of {_article}.",
    )
    _add(show, _word, _name(output_option(_shower(_word))), f"Show {_article}.")
    _add(list_, _word, output_option(_lister(_word)), f"List every {TITLES[_word]}.")
    _add(delete, _word, _names(_deleter(_word)), f"Delete {_article}, or several.")

VERBS = (create, update, show, list_, delete)
"""All of them."""
