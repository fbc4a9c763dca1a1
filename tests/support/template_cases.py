"""Templates that are admitted, and ones that are refused with a sentence."""

import random
from typing import Any, Final

ADMITTED: Final[tuple[tuple[str, str], ...]] = (
    ("url", "https://example.com/{scheduled}.csv"),
    ("url", "https://example.com/{scheduled:%Y/%m/%d}/{namespace}/{name}?from={previous-1d:%s}"),
    ("url", "https://example.com/?at={scheduled-999y:%G-W%V-%u}&to={scheduled+0min:%-d%%}"),
    ("url", "https://example.com/{{a}}/{{{scheduled:%d}}}"),
    ("url", "https://example.com/{{scheduled-1}}/%7Bx%7D"),
    ("url", "https://example.com?{scheduled:%j}#part"),
    ("url", "https://example.com/{scheduled:#%Y}"),
    ("url", "https://example.com/" + "{previous}" * 202),
    ("path", "{namespace}/{name}/{scheduled:%Y/%m/%d}/{filename}"),
    ("path", "{namespace}/{name}/{{}}/}}/{{scheduled:/{{"),
    ("path", "{scheduled:%Y/}{scheduled:%m/}x/{scheduled:.%d}/..a/..."),
    ("path", "a {scheduled:%d %B}/{scheduled:é%Y}"),
    ("body", '{"day": "{scheduled-1d:%Y-%m-%d}", "until": {"at": "{scheduled}"}}'),
    ("body", "{scheduledJobs{id}} {previous(first: 1){id}} {scheduled{id}} { scheduled -1 } {"),
    ("body", "{{scheduled-1}} {{{scheduled:}}} {{scheduled:%Q {{previousRun}} {{#each x}}"),
    ("body", "{" * 16_384),
    ("body", "é" * 16_384),
    ("header", 'W/"{scheduled:%s}" {x} {{previous+}}'),
    ("header", "{scheduled:%a, %d %b %Y %H:%M:%S %z}"),
    ("header", "{scheduled:" + "%%" * 2042 + "}"),
)

_OFFSET: Final = "one of min, h, d, w, mo, y, for example {scheduled-1d}"
_DIRECTIVE: Final = "write %Y %y %m"
_FORMAT: Final = "write for example {scheduled:%Y-%m-%d}"
_UNKNOWN: Final = "for braces themselves {{ and }}"
_HOST: Final = "write the scheme, the host and the port themselves"
_FRAGMENT: Final = "that part is not sent; leave it out"
_PARTS: Final = "must not have empty, . or .. parts"
_SITE: Final = "https://example.com/"

_FAULTY_TIMES: Final = (
    ("{scheduled-1}", _OFFSET),
    ("{scheduled-1:%Y}", _OFFSET),
    ("{scheduled-d}", _OFFSET),
    ("{scheduled+1000d}", _OFFSET),
    ("{scheduled-1m}", _OFFSET),
    ("{scheduled-1mi}", _OFFSET),
    ("{scheduled-1mon}", _OFFSET),
    ("{scheduled-1days}", _OFFSET),
    ("{scheduled-1s}", _OFFSET),
    ("{scheduled-1D}", _OFFSET),
    ("{scheduled-1.5h}", _OFFSET),
    ("{scheduled-1d-1h}", _OFFSET),
    ("{previous--1d}", _OFFSET),
    ("{scheduled-1d", _OFFSET),
    ("{scheduled-", _OFFSET),
    ("{scheduled:%F}", _DIRECTIVE),
    ("{scheduled:%Q-%Y}", _DIRECTIVE),
    ("{scheduled:%Y-%Q}", _DIRECTIVE),
    ("{scheduled:%-Y}", _DIRECTIVE),
    ("{scheduled:%c}", _DIRECTIVE),
    ("{scheduled:%Z}", _DIRECTIVE),
    ("{scheduled:%}", _DIRECTIVE),
    ("{scheduled:%Y%}", _DIRECTIVE),
    ("{scheduled-1d:%-}", _DIRECTIVE),
    ("{scheduled:%20%Y}", _DIRECTIVE),
    ("{scheduled:}", _FORMAT),
    ("{scheduled:YYYY-MM-DD}", _FORMAT),
    ("{previous-1d:}", _FORMAT),
    ("{scheduled:%Y", _FORMAT),
    ("{scheduled:%Y{scheduled}}", _FORMAT),
)

REFUSED: Final[tuple[tuple[str, str, str], ...]] = (
    *(("url", _SITE + text, sentence) for text, sentence in _FAULTY_TIMES),
    *(("path", f"a/{text}", sentence) for text, sentence in _FAULTY_TIMES),
    *(("body", f'{{"a": "{text}', sentence) for text, sentence in _FAULTY_TIMES),
    *(("header", f"a {text}", sentence) for text, sentence in _FAULTY_TIMES),
    ("body", "{scheduled -1d:%Y}", _OFFSET),
    ("path", "{scheduled -1d:%Y}", _OFFSET),
    ("header", "{previous :%Y}", _OFFSET),
    ("url", _SITE + "{{{scheduled-1}}}", _OFFSET),
    ("url", _SITE + "{date}", _UNKNOWN),
    ("url", _SITE + "{filename}", _UNKNOWN),
    ("url", _SITE + "{Scheduled}", _UNKNOWN),
    ("url", _SITE + "{scheduled1d}", _UNKNOWN),
    ("url", _SITE + "{previousScheduled}", _UNKNOWN),
    ("url", _SITE + '?filter={"a":1}', _UNKNOWN),
    ("url", _SITE + "{", _UNKNOWN),
    ("url", _SITE + "}", _UNKNOWN),
    ("url", _SITE + "{}", _UNKNOWN),
    ("url", _SITE + "{scheduled", _UNKNOWN),
    ("url", _SITE + "{scheduled}}", _UNKNOWN),
    ("url", _SITE + "{{scheduled}", _UNKNOWN),
    ("url", _SITE + "{{{name}}", _UNKNOWN),
    ("url", "https://{name}.example.com/", _HOST),
    ("url", "https://example.com:{scheduled:%H}/", _HOST),
    ("url", "https://example.com{scheduled:/%Y}", _HOST),
    ("url", "https://example.com{scheduled:.evil.example/%Y}/x", _HOST),
    ("url", "https://example.com\\{name}/x", _HOST),
    ("url", "https://{{example}}.com/", _HOST),
    ("url", "https://example.com/#{name}", _FRAGMENT),
    ("url", "https://example.com/{name}?{{#{{", _FRAGMENT),
    ("path", "a/{unknown}", _UNKNOWN),
    ("path", "a/{", _UNKNOWN),
    ("path", "a}", _UNKNOWN),
    ("path", "{scheduled:%Y/../..}", _PARTS),
    ("path", ".{scheduled:./%Y}", _PARTS),
    ("path", "a/{scheduled:../%Y}", _PARTS),
    ("path", "{scheduled:/%Y}", _PARTS),
    ("path", "a{scheduled-1d:/%Y/}", _PARTS),
    ("path", "a/{scheduled:%Y/}{previous+2mo:/%m}", _PARTS),
    ("path", "a/{scheduled:%Y/}/b", _PARTS),
    ("path", "a/{scheduled:%Y/.}{scheduled:./%Y}", _PARTS),
    ("path", "a/{scheduled:%Y//%m}", _PARTS),
    ("path", "{scheduled:./%Y}", _PARTS),
)

TOKENS: Final = (
    *("{", "}", "{{", "}}", "{scheduled", "{previous", "{scheduled:", "{scheduled}"),
    *("{name}", "{filename}", "-1d", "+2mo", "-1", ":", "%Y", "%-d", "%Q", "%", "%%"),
    *("/", ".", "..", "a", "#", "?", " "),
)
"""Pieces of templates, right and wrong."""


def random_text(rng: random.Random) -> str:
    """Return some of those pieces."""
    return "".join(rng.choices(TOKENS, k=rng.randint(1, 8)))


def spec_with(member: str, text: str) -> dict[str, Any]:
    """Return the members of a schedule's spec with *text* as one of its templates."""
    match member:
        case "url":
            return {"url": text}
        case "path":
            return {"destination": {"volume": {"claimName": "data", "path": text}}}
        case "body":
            return {"request": {"method": "POST", "body": text}}
    return {"request": {"headers": [{"name": "A", "value": text}]}}
