"""Caption metrics without Java: BLEU, METEOR, ROUGE-L, CIDEr-D, SPICE, SPIDEr, and by models that
the user gives SPIDEr-FL, FENSE, BERTScore, CLAP similarity and MACE.

Captions come as lists in the order of the clips, or as dictionaries by clip; both arguments in
one layout. Scores are the same, to the last bit, as those of the program `dl-score`. A user's
fault is a ValueError of one sentence; an argument of the wrong type is a TypeError. Calls run
without Python's lock, on as many threads as there are cores (RAYON_NUM_THREADS sets another
number), all of which have ended when the call returns.
"""

from os import PathLike
from typing import Any, Callable, Iterable, List, Literal, Mapping, Optional, Sequence, Tuple, TypedDict, Union, overload

__version__: str

_Id = Union[int, str]
_Coco = Mapping[str, object]
"""A caption as the COCO tools hold it: `{"caption": "a dog barks"}`."""
_Text = Union[str, _Coco]
_Candidates = Union[Sequence[str], Mapping[_Id, Union[_Text, Sequence[_Text]]]]
"""A caption for each clip: a list, or by id one caption or a list of one."""
_Several = Union[Sequence[Sequence[str]], Mapping[_Id, Sequence[_Text]]]
"""Any number of candidates for each clip, at least one; clips may have different numbers."""
_References = Union[Sequence[Sequence[str]], Mapping[_Id, Sequence[_Text]]]
"""The captions of each clip, at least one."""
_Metrics = Union[str, Iterable[str]]
"""`default` (`bleu_1` to `bleu_4`, `meteor`, `rouge_l`, `cider_d`, `spice`, `spider`), `all` (also
`spice_object`, `spice_attribute`, `spice_relation`, `spice_color`, `spice_count`, `spice_size`, and
what the models allow: see `Models`), one of these, or some of them; pycocoevalcap's names (`CIDEr`)
are taken, too."""
_Names = Literal["aac-metrics", "pycocoevalcap"]
"""Whose names the results have: `cider_d` or `CIDEr`."""
_Corpus = dict[str, float]
_PerItem = dict[str, list[float]]
"""In the order of the references; NaN where a clip has no such score."""

_Row = Any
"""Numbers: a list, an array of NumPy, a tensor of torch in the processor's memory. Computed in f32."""
_Rows = Any
"""Rows of as many numbers each: an array or a tensor of two dimensions, or a list of rows."""

class Models:
    """Models from outside, for metrics that take one. Each is a function of a list of captions, as
    they were written, that answers in their order. It is called with all references once and with
    all candidates each time; batches are its own affair, and an exception of its own comes through.

    | metrics | take |
    |---|---|
    | `sbert_sim` | `sentences` |
    | `fense` | `sentences`, `fluency` |
    | `fer`, `spider_fl` | `fluency` |
    | `bert_score.f1`, `bert_score.precision`, `bert_score.recall` | `tokens` |
    | `clap_sim` | `clap` |
    | `clap_sim_audio` | `clap`, `recordings` |
    | `mace_text` | `clap`, `fluency` |
    | `mace`, `mace_audio` | `clap`, `recordings`, `fluency` |
    """

    def __init__(
        self,
        *,
        sentences: Optional[Callable[[List[str]], _Rows]] = None,
        fluency: Optional[Callable[[List[str]], _Row]] = None,
        tokens: Optional[Callable[[List[str]], Iterable[_Rows]]] = None,
        clap: Optional[Callable[[List[str]], _Rows]] = None,
        recordings: Optional[Union[_Rows, Mapping[_Id, _Row]]] = None,
    ) -> None:
        """`sentences` and `clap` give an embedding for each caption, of any length but 0; `fluency`
        the probability of a fluency error, 0 to 1; `tokens` a row for each token without the special
        ones. `recordings` are the clips' embeddings in the space of `clap`: in the order of the
        references, or by clip where those are by clip; other clips may be among them."""

class Difference(TypedDict):
    """One figure of two systems."""

    a: float
    b: float
    difference: float
    interval: Optional[Tuple[float, float]]
    """95 %, paired bootstrap over clips; None for one clip."""
    p: float
    """Paired permutation test on the scores of the clips."""
    p_holm: float
    """The same after Holm's correction over all figures."""

class Evaluator:
    """References that are kept with what is known of them, for scoring every epoch."""

    def __init__(
        self,
        references: _References,
        *,
        metrics: _Metrics = "default",
        meteor: Optional[Union[str, PathLike[str]]] = None,
        models: Optional[Models] = None,
        names: _Names = "aac-metrics",
    ) -> None:
        """`meteor` names METEOR's converted data; without it, it is looked for where
        `cargo setup --metrics` puts it."""
    def __len__(self) -> int: ...
    @overload
    def evaluate(
        self, candidates: _Candidates, *, return_per_item: Literal[True] = True, progress: bool = False
    ) -> Tuple[_Corpus, _PerItem]: ...
    @overload
    def evaluate(
        self, candidates: _Candidates, *, return_per_item: Literal[False], progress: bool = False
    ) -> _Corpus: ...
    @overload
    def spider_max(
        self, candidates: _Several, *, return_per_item: Literal[True] = True, progress: bool = False
    ) -> Tuple[_Corpus, _PerItem]: ...
    @overload
    def spider_max(
        self, candidates: _Several, *, return_per_item: Literal[False], progress: bool = False
    ) -> _Corpus: ...
    def compare(
        self, a: _Candidates, b: _Candidates, *, progress: bool = False
    ) -> dict[str, Difference]: ...

@overload
def evaluate(
    candidates: _Candidates,
    references: _References,
    *,
    metrics: _Metrics = "default",
    return_per_item: Literal[True] = True,
    meteor: Optional[Union[str, PathLike[str]]] = None,
    models: Optional[Models] = None,
    names: _Names = "aac-metrics",
    progress: bool = False,
) -> Tuple[_Corpus, _PerItem]:
    """The figures of all clips together, and a list of scores for each."""

@overload
def evaluate(
    candidates: _Candidates,
    references: _References,
    *,
    metrics: _Metrics = "default",
    return_per_item: Literal[False],
    meteor: Optional[Union[str, PathLike[str]]] = None,
    models: Optional[Models] = None,
    names: _Names = "aac-metrics",
    progress: bool = False,
) -> _Corpus:
    """The figures of all clips together."""

@overload
def spider_max(
    candidates: _Several,
    references: _References,
    *,
    return_per_item: Literal[True] = True,
    progress: bool = False,
) -> Tuple[_Corpus, _PerItem]:
    """SPIDEr of the best of several candidates for each clip (`spider_max`), and CIDEr-D and SPICE
    of that candidate (`cider_d_max`, `spice_max`)."""

@overload
def spider_max(
    candidates: _Several,
    references: _References,
    *,
    return_per_item: Literal[False],
    progress: bool = False,
) -> _Corpus:
    """The figures of all clips together."""

def compare(
    a: _Candidates,
    b: _Candidates,
    references: _References,
    *,
    metrics: _Metrics = "default",
    meteor: Optional[Union[str, PathLike[str]]] = None,
    models: Optional[Models] = None,
    names: _Names = "aac-metrics",
    progress: bool = False,
) -> dict[str, Difference]:
    """Two systems on the same clips, with an interval and a paired test for each figure."""

def convert_meteor(package: Union[str, PathLike[str]], output: Union[str, PathLike[str]]) -> None:
    """Makes METEOR's data, once, from the folder `meteor` of an installed pycocoevalcap."""
