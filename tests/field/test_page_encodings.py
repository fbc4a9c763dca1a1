"""Pages of all ages, and how they say in which encoding they are."""

import pytest

from tests.support.attempts import Pod
from tests.support.field_reports import Report, reproduce
from tests.support.http_faults import FaultServer, respond

HTML = {"file_format": "html"}
PRESCAN = "HTML Standard, 13.2.3.2"
LATE = "whatwg/html#6962"
LABELS = "Encoding Standard, 4.2"
BODY = "<p>Сегодня — «да»</p>"
FILLER = "<style>" + "p { color: black }\n" * 200 + "</style>"
TITLE = "<!DOCTYPE html><html><head>"
PRAGMA = '<meta http-equiv="Content-Type" content="text/html; charset=windows-1251">'
TEXTS = {
    "x-cp1251": ("cp1251", "Сегодня"),
    "koi8": ("koi8-r", "Сегодня"),
    "koi8-ru": ("koi8-u", "їжак"),
    "iso88592": ("iso8859-2", "žluť"),
    "ks_c_5601-1989": ("cp949", "똠방각하"),
    "dos-874": ("cp874", "วันนี้"),
    "csisolatinhebrew": ("iso8859-8", "היום"),
    "logical": ("iso8859-8", "היום"),
    "x-sjis": ("cp932", "今日①"),
    "gb_2312-80": ("gb18030", "今天"),
    "big5-hkscs": ("big5hkscs", "今天"),
    "x-mac-ukrainian": ("mac-cyrillic", "Сегодня"),
    "unicode-1-1-utf-8": ("utf-8", "Сегодня"),
    "csiso2022jp": ("iso2022_jp", "今日"),
    "latin1": ("cp1252", "“€”"),
}


def page(
    source: str,
    situation: str,
    start: str,
    saved: str | None = None,
    *,
    header: str = "text/html",
    encoding: str = "cp1251",
    body: str = BODY,
) -> Report:
    """Return a report about a page that begins with *start*, and of which *saved* is kept."""
    content = f"{start}{body}".encode(encoding)
    saved = start.replace("windows-1251", "utf-8") if saved is None else saved
    return Report(
        source=source,
        situation=situation,
        server={"/x": [respond(200, content, f"Content-Type: {header}")]},
        options=HTML,
        files=(f"{saved}{body}".encode(),),
    )


CP1251 = "text/html; charset=windows-1251"
REPORTS = [
    page(PRESCAN, "a meta element says it", f"{TITLE}<meta charset=windows-1251>"),
    page(PRESCAN, "a pragma says it", f"{TITLE}{PRAGMA}"),
    page(
        PRESCAN,
        "a pragma has more behind the encoding",
        "<meta content='text/html; charset=windows-1251; x' http-equiv=CONTENT-TYPE>",
    ),
    page(
        LATE, "the meta element is late in the head", f"{TITLE}{FILLER}<meta charset=windows-1251>"
    ),
    page(LATE, "the pragma is late in the head", f"{TITLE}{FILLER}{PRAGMA}</head>"),
    page(
        LATE,
        "the meta element comes behind 2 MB of script",
        f"{TITLE}<script>{'x' * 2_000_000}</script><meta charset=windows-1251>",
    ),
    page(
        LATE,
        "the header says it too, and the meta element is late",
        f"{TITLE}{FILLER}<meta charset=windows-1251>",
        header=CP1251,
    ),
    page(
        PRESCAN,
        "a comment names another encoding before",
        "<!-- <meta charset=koi8-r> --><meta charset=windows-1251>",
    ),
    page(PRESCAN, "only a comment names one", "<!-- <meta charset=koi8-r> -->", encoding="utf-8"),
    page(
        PRESCAN,
        "the content of an unrelated meta element names another",
        "<meta name=description content='text/html; charset=koi8-r'><meta charset=windows-1251>",
    ),
    page(
        PRESCAN,
        "only an unrelated meta element names one",
        "<meta property=og:url content='/?charset=koi8-r'>",
        encoding="utf-8",
    ),
    page(
        PRESCAN,
        "another element names another",
        "<script charset=koi8-r src=/x.js></script><meta charset=windows-1251>",
    ),
    page(
        PRESCAN,
        "the first of two valid names counts, and both are changed",
        f"<meta charset=no-such><meta charset=windows-1251>{PRAGMA}<meta charset=koi8-r>",
        "<meta charset=no-such><meta charset=utf-8>"
        f"{PRAGMA.replace('windows-1251', 'utf-8')}<meta charset=utf-8>",
    ),
    page(
        PRESCAN,
        "the header counts first",
        "<meta charset=koi8-r>",
        "<meta charset=utf-8>",
        header=CP1251,
    ),
    page(PRESCAN, "the header alone says it", f"{TITLE}<title>x</title>", header=CP1251),
    page(
        PRESCAN,
        "the header says it in quotes and capitals",
        TITLE,
        header='text/html; Charset="WINDOWS-1251"',
    ),
    page(
        PRESCAN,
        "the header names none that there is",
        "<meta charset=windows-1251>",
        header="text/html; charset=none",
    ),
    page(
        PRESCAN,
        "a byte order mark counts before the header",
        "\ufeff<meta charset=windows-1251>",
        header=CP1251,
        encoding="utf-8",
    ),
    page(
        PRESCAN,
        "a page in UTF-16 has a byte order mark",
        "\ufeff<meta charset=windows-1251>",
        encoding="utf-16-le",
    ),
    page(PRESCAN, "a big-endian page has one", "\ufeff<meta charset=utf-8>", encoding="utf-16-be"),
    page(
        PRESCAN,
        "the header says UTF-16",
        "<meta charset=utf-16>",
        "<meta charset=utf-8>",
        header="text/html; charset=utf-16",
        encoding="utf-16-le",
    ),
    page(
        PRESCAN,
        "a page that can be read as bytes is not UTF-16, whatever it says",
        "<meta charset=utf-16le>",
        "<meta charset=utf-8>",
        encoding="utf-8",
    ),
    page("whatwg/html#1752", "an XML declaration says it", "<?xml encoding='windows-1251'?>"),
    page(
        "whatwg/html#1752",
        "an XML declaration in UTF-16 says it",
        "<?xml version='1.0' encoding='UTF-16'?>",
        "<?xml version='1.0' encoding='utf-8'?>",
        encoding="utf-16-be",
    ),
    page(
        "XML 1.0, 4.3.3",
        "in XHTML the XML declaration counts",
        "<?xml version='1.0' encoding='windows-1251'?><html><meta charset='koi8-r'/>",
        "<?xml version='1.0' encoding='utf-8'?><html><meta charset='utf-8'/>",
        header="application/xhtml+xml",
    ),
    page(
        "XML 1.0, 4.3.3",
        "XHTML without an XML declaration is UTF-8",
        "<html><meta charset='windows-1251'/>",
        header="application/xhtml+xml",
        encoding="utf-8",
    ),
    page(PRESCAN, "nothing says it, and it is UTF-8", TITLE, encoding="utf-8"),
    page(PRESCAN, "nothing says it", TITLE, encoding="cp1252", body="<p>“München”"),
    page(
        PRESCAN,
        "a page in UTF-8 is kept byte for byte",
        "<META CHARSET=UTF8 >\r\n<p>\0&amp;\r<!-- <meta charset=koi8-r> -->\n",
        encoding="utf-8",
    ),
    *(
        page(
            LABELS,
            f"a page says {label}",
            f"<meta charset={label}>",
            None,
            encoding=codec,
            body=text,
        )
        if codec == "utf-8"
        else page(
            LABELS,
            f"a page says {label}",
            f"<meta charset={label}>",
            "<meta charset=utf-8>",
            encoding=codec,
            body=text,
        )
        for label, (codec, text) in TEXTS.items()
    ),
]


@pytest.mark.parametrize("report", REPORTS, ids=str)
def test_report(report: Report, pod: Pod, server: FaultServer) -> None:
    reproduce(report, pod, server)


@pytest.mark.parametrize("meta", [f"{FILLER}{PRAGMA}", f"<!-- charset=koi8-r -->{PRAGMA}"])
@pytest.mark.parametrize("file_format", ["text", "markdown"])
def test_article_is_read_in_the_encoding_of_the_page(
    pod: Pod, server: FaultServer, file_format: str, meta: str
) -> None:
    article = f"{TITLE}{meta}</head><body><p>{'Сегодня гавань закрыта из-за шторма. ' * 20}</p>"
    url = server.on("/x", respond(200, article.encode("cp1251"), "Content-Type: text/html"))
    assert pod.run(url, file_format=file_format).code == 0
    (content,) = pod.files().values()
    assert content.decode().startswith("Сегодня гавань закрыта из-за шторма.")
