"""Sentence embeddings, reranking and product search, with numpy alone.

`SentenceTransformer` and `CrossEncoder` have the names and the arguments of sentence-transformers 5.7, and give its
vectors and scores. Vectors are those of the program ``infer``, bit for bit.
"""

from mpnet_burn._cross_encoder import CrossEncoder
from mpnet_burn._index import Hit, Index
from mpnet_burn._native import DEFAULT_MODEL, __version__
from mpnet_burn._quantization import quantize_embeddings
from mpnet_burn._sentence_transformer import SentenceTransformer

__all__ = [
    "DEFAULT_MODEL",
    "CrossEncoder",
    "Hit",
    "Index",
    "SentenceTransformer",
    "__version__",
    "quantize_embeddings",
]
