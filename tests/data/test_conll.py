"""Laws of the treebank reader: every word once, nothing else, and errors name file and line."""

import gzip

import pytest

from zoo.data.examples import Examples
from zoo.data.formats import conll
from zoo.errors import InputError

TREEBANK = """\
# sent_id = 1
# text = I don't know.
1\tI\tI\tPRON\tPRP\t_\t4\tnsubj\t_\t_
2-3\tdon't\t_\t_\t_\t_\t_\t_\t_\t_
2\tdo\tdo\tAUX\tVBP\t_\t4\taux\t_\t_
3\tn't\tnot\tPART\tRB\t_\t4\tadvmod\t_\t_
4\tknow\tknow\tVERB\tVB\t_\t0\troot\t_\tSpaceAfter=No
4.1\tit\tit\tPRON\tPRP\t_\t_\t_\t4:obj\t_
5\t.\t.\tPUNCT\t.\t_\t4\tpunct\t_\t_

1\tNew York\tNew York\tPROPN\t_\t_\t0\troot\t_\t_
"""


def read(tmp_path, text, column="upos"):
    path = tmp_path / "xx-ud-train.conllu"
    path.write_bytes(text.encode())
    return list(conll.sentences(path, column=column))


def test_reads_words_and_no_other_rows(tmp_path):
    first, second = read(tmp_path, TREEBANK)
    assert first == {"tokens": ["I", "do", "n't", "know", "."], "tags": ["PRON", "AUX", "PART", "VERB", "PUNCT"]}
    assert second == {"tokens": ["New York"], "tags": ["PROPN"]}  # a form may hold a blank; the last line may be a word


def test_column_names_the_tags(tmp_path):
    first, second = read(tmp_path, TREEBANK, column="xpos")
    assert first["tags"] == ["PRP", "VBP", "RB", "VB", "."]
    assert second["tags"] == ["_"]  # a treebank's own tags may be missing for some words


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: "\ufeff" + text,
        lambda text: text + "\n\n\n# the end\n",
        lambda text: "\n\n" + text,
    ],
    ids=["carriage returns", "byte order mark", "blank end", "blank beginning"],
)
def test_what_editors_do_to_files_changes_nothing(tmp_path, change):
    assert read(tmp_path, change(TREEBANK)) == read(tmp_path, TREEBANK)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (TREEBANK.replace("2\tdo\tdo\tAUX", "2 do do AUX"), "line 5: 7 columns, not 10"),
        (TREEBANK.replace("\n3\tn't", "\n4\tn't"), "line 6: the id is '4', expected 3"),
        (TREEBANK.replace("\n\n", "\n"), "line 10: the id is '1', expected 6"),
        (TREEBANK.replace("1\tI\t", "one\tI\t"), "line 3: the id is 'one', expected 1"),
        (TREEBANK.replace("1\tI\t", "1\t\t"), "line 3: the column form is empty"),
        (TREEBANK.replace("PRON\tPRP\t_\t4", "\tPRP\t_\t4"), "line 3: the column upos is empty"),
        ("", "has no sentence"),
        ("# only a comment\n", "has no sentence"),
        ("1-2\tdel\t_\t_\t_\t_\t_\t_\t_\t_\n", "has no sentence"),
    ],
)
def test_names_file_and_line_of_what_is_wrong(tmp_path, wrong, says):
    with pytest.raises(InputError, match=r"xx-ud-train\.conllu") as error:
        read(tmp_path, wrong)
    assert says in str(error.value)


NAMES = """\
# intent = Travel
# a comment
#Oslo\tB-LOC
is\tx\tO
#\tO

Ann B-PER
Lee I-PER
#here O
"""


def columns(tmp_path, text):
    path = tmp_path / "train.conll"
    path.write_bytes(text.encode())
    return path


def test_files_with_one_tag_column(tmp_path):
    first, second = conll.columns(columns(tmp_path, NAMES))
    assert first.comments == {"intent": "Travel"}
    assert (first.tokens, first.tags, first.lines) == (["#Oslo", "is", "#"], ["B-LOC", "O", "O"], [3, 4, 5])
    assert (second.tokens, second.tags) == (["Ann", "Lee", "#here"], ["B-PER", "I-PER", "O"])
    assert [s.tokens for s in conll.columns(columns(tmp_path, "-DOCSTART- -X- O\n\nEU\tNNP\tB-ORG\n"))] == [["EU"]]


def test_every_scheme_is_read_as_bio(tmp_path):
    for text in ("a\tI-X\nb\tI-X\nc\tB-X\n", "a\tB-X\nb\tE-X\nc\tS-X\n", "a\tB-X\nb\tI-X\nc\tB-X\n"):
        (sentence,) = conll.bio(columns(tmp_path, text), refuse=True)
        assert sentence.tags == ["B-X", "I-X", "B-X"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a\tO\nb\n", "line 2: 'b' has no tag"),
        ("a\tO\n\tO\n", "line 2: '.*' has no tag"),
        ("a\tO\nb\tNOUN\n", "line 2: the tag is 'NOUN'; expected O, or B-TYPE"),
        ("a\tB-X\n\nb\tO\nc\tI-X\n", "line 4: the tag 'I-X' breaks the scheme BIO, expected 'B-X'"),
        ("# only a comment\n", "has no sentence"),
    ],
)
def test_a_wrong_tag_is_named_by_file_and_line(tmp_path, text, says):
    with pytest.raises(InputError, match=rf"train\.conll.*{says}"):
        list(conll.bio(columns(tmp_path, text), refuse=True))


def tagged(directory, split):
    return conll.tagged(str(directory), split, sample=lambda split: [], column="upos")


def test_finds_the_splits_of_a_treebank(tmp_path):
    (tmp_path / "en_ewt-ud-dev.conllu").write_text(TREEBANK)
    with gzip.open(tmp_path / "en_ewt-ud-train.conllu.gz", "wt") as file:
        file.write(TREEBANK)
    assert list(tagged(tmp_path, "train")) == list(tagged(tmp_path, "validation")) == list(tagged(tmp_path, "train"))
    assert tagged(tmp_path, "test") is None


def test_says_what_it_looked_for(tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(InputError, match=r"train\.conllu.*found notes\.txt"):
        tagged(tmp_path, "train")
    with pytest.raises(InputError, match="does not exist"):
        tagged(tmp_path / "nowhere", "test")


class Feature:
    """Stands for one of TFDS' feature types."""

    def __init__(self, names=None):
        if names:
            self.int2str = names.__getitem__
        self.feature = self


def test_tfds_rows_that_are_no_words_are_left_out(monkeypatch):
    """TFDS keeps the rows of multiword tokens and empty nodes, and writes a missing head as None."""
    features = {
        "tokens": Feature(),
        "upos": Feature(["AUX", "PART", "PRON", "_"]),
        "xpos": Feature(),
        "head": Feature(),
    }
    row = {
        "tokens": [b"don't", b"do", b"n't", b"it"],
        "upos": [3, 0, 1, 2],
        "xpos": [b"None", b"VBP", b"None", b"PRP"],
        "head": [b"None", b"0", b"1", b"None"],
    }
    builder = type("Builder", (), {"info": type("Info", (), {"features": features})})
    monkeypatch.setattr(conll.tfds, "builder", lambda data: builder)
    monkeypatch.setattr(
        conll.tfds,
        "rows",
        lambda _, split, to_example: Examples(lambda: iter([to_example(row)])),
    )
    for column, tags in (("upos", ["AUX", "PART"]), ("xpos", ["VBP", "_"])):
        examples = conll.tagged("tfds:universal_dependencies/en_ewt", "train", sample=iter, column=column)
        assert list(examples) == [{"tokens": ["do", "n't"], "tags": tags}]
