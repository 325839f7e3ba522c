"""Official clients against `infer serve`: python clients.py INFER MODEL [CLIENT...]

Each client embeds 100 texts; the vectors are those of `infer embed` to 1e-6. Errors are the client's own exceptions.
Without names, every client is tried.
"""

import contextlib
import json
import math
import os
import re
import subprocess
import sys
import tempfile
import threading
import urllib.request

# huggingface_hub refuses every address, also this machine's, where it is set.
os.environ.pop("HF_HUB_OFFLINE", None)
os.environ["HAYSTACK_TELEMETRY_ENABLED"] = "False"

INFER, MODEL = sys.argv[1:3]
KEY = "secret key of the tests"
WORDS = "steel glass smart wireless compact purple desk water kitchen garden bottle lamp speaker keyboard".split()
TEXTS = [f"{WORDS[n % 14]} {WORDS[(n * 5 + 3) % 14]} {'with a lid ' * (n % 9)}no. {n}" for n in range(100)]
LONG = "a" * 300_000
# Of the workspace, from the folder of this file.
ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../..")


@contextlib.contextmanager
def server(*options):
    """A running service."""
    command = [INFER, "serve", "--model", MODEL, "--port", "0", *options]
    child = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        for line in child.stderr:
            if ready := re.match(r"ready: (http:\S+)", line):
                threading.Thread(target=child.stderr.read, daemon=True).start()
                yield ready[1]
                break
        else:
            raise RuntimeError("the service did not start")
    finally:
        child.terminate()
        assert child.wait(60) == 0, "the service did not end in order"


def embedded(texts):
    """The vectors of `infer embed`."""
    output = subprocess.run([INFER, "embed", "--model", MODEL, *texts], check=True, capture_output=True, text=True)
    return [json.loads(line)["embedding"] for line in output.stdout.splitlines()]


def close(found, expected):
    assert len(found) == len(expected), (len(found), len(expected))
    for one, other in zip(found, expected, strict=True):
        assert len(one) == len(other)
        assert all(math.isclose(a, b, abs_tol=1e-6) for a, b in zip(one, other, strict=True)), (one, other)


def run_snippet(name, url):
    """Runs the block of the guide for a client, which leaves its vectors in `vectors`."""
    guide = open(os.path.join(ROOT, "docs/src/guides/serve.md"), encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", guide.read(), re.MULTILINE | re.DOTALL)
    module = {"llama_index_openai_like": "openai_like"}.get(name, name.removeprefix("llama_index_"))
    [block] = [block for block in blocks if re.search(rf"^from (\S+\.)?{module} import", block, re.MULTILINE)]
    names = {}
    exec(block.replace("http://127.0.0.1:8080", url), names)
    close(names["vectors"], embedded(["steel bottle", "smart speaker"]))


def status_of(error):
    """The status that an exception of a client carries."""
    while error is not None:
        response = getattr(error, "response", None)
        for holder in (error, response):
            if isinstance(status := getattr(holder, "status_code", None), int):
                return status
        error = error.__cause__
    return None


@contextlib.contextmanager
def refused(status, name):
    """The client raises its own exception, with the status."""
    try:
        yield
    except Exception as error:
        assert status_of(error) == status, (status, repr(error))
        assert re.search(name, type(error).__name__), (name, type(error))
    else:
        raise AssertionError(f"no error where {status} is due")


@contextlib.contextmanager
def overload(url):
    """Bulk requests that fill the queue."""
    stop = threading.Event()
    body = json.dumps({"inputs": ["a bottle that keeps drinks cold for a day"] * 2000}).encode()
    headers = {"content-type": "application/json", "authorization": f"Bearer {KEY}"}

    def send():
        while not stop.is_set():
            request = urllib.request.Request(f"{url}/embed", body, headers)
            with contextlib.suppress(Exception):
                urllib.request.urlopen(request).read()

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def until_refused(call):
    """Calls until the queue is full: the error of the client reaches its user."""
    for _ in range(2000):
        call()


def openai(url, expected):
    import openai

    def client(key=KEY):
        return openai.OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0)

    vectors = client().embeddings.create(model="any", input=TEXTS)
    close([item.embedding for item in vectors.data], expected)
    floats = client().embeddings.create(model="any", input=TEXTS, encoding_format="float")
    close([item.embedding for item in floats.data], expected)
    assert [model.id for model in client().models.list()] == [MODEL]
    with refused(401, "AuthenticationError"):
        client("wrong").embeddings.create(model="any", input="a")
    with refused(413, "APIStatusError"):
        client().embeddings.create(model="any", input=LONG)
    with refused(422, "UnprocessableEntityError"):
        client().embeddings.create(model="any", input=[1, 2, 3])
    with overload(url), refused(429, "RateLimitError"):
        until_refused(lambda: client().embeddings.create(model="any", input=["a"] * 9))


def huggingface_hub(url, expected):
    from huggingface_hub import InferenceClient

    client = InferenceClient(model=url, token=KEY)
    close(client.feature_extraction(TEXTS).tolist(), expected)
    cosines = client.sentence_similarity(TEXTS[0], other_sentences=TEXTS[:2])
    assert math.isclose(cosines[0], 1, abs_tol=1e-6) and cosines[1] < 1, cosines
    with refused(401, "HfHubHTTPError"):
        InferenceClient(model=url, token="wrong").feature_extraction("a")
    with refused(413, "HfHubHTTPError"):
        client.feature_extraction(LONG)
    with refused(422, "HfHubHTTPError"):
        client.feature_extraction("water bottle " * 500, truncate=False)
    with overload(url), refused(429, "HfHubHTTPError"):
        until_refused(lambda: client.feature_extraction(["a"] * 9))


def langchain_openai(url, expected):
    from langchain_openai import OpenAIEmbeddings

    def client(key=KEY, **options):
        return OpenAIEmbeddings(
            base_url=f"{url}/v1", api_key=key, model="any", check_embedding_ctx_length=False, max_retries=0, **options
        )

    close(client().embed_documents(TEXTS), expected)
    close([client().embed_query(TEXTS[0])], expected[:1])
    with refused(401, "AuthenticationError"):
        client("wrong").embed_query("a")
    with refused(413, "APIStatusError"):
        client().embed_query(LONG)
    with refused(422, "UnprocessableEntityError"):
        client(dimensions=9999).embed_query("a")
    with overload(url), refused(429, "RateLimitError"):
        until_refused(lambda: client().embed_documents(["a"] * 9))


def llama_index_openai_like(url, expected):
    from llama_index.embeddings.openai_like import OpenAILikeEmbedding

    def client(key=KEY, **options):
        return OpenAILikeEmbedding(model_name="any", api_base=f"{url}/v1", api_key=key, max_retries=0, **options)

    close(client().get_text_embedding_batch(TEXTS), expected)
    with refused(401, "AuthenticationError"):
        client("wrong").get_text_embedding("a")
    with refused(413, "APIStatusError"):
        client().get_text_embedding(LONG)
    with refused(422, "UnprocessableEntityError"):
        client(dimensions=9999).get_text_embedding("a")
    with overload(url), refused(429, "RateLimitError"):
        until_refused(lambda: client().get_text_embedding_batch(["a"] * 9))


def llama_index_text_embeddings_inference(url, expected):
    from llama_index.embeddings.text_embeddings_inference import TextEmbeddingsInference

    # It never looks at the status of an answer.
    client = TextEmbeddingsInference(
        base_url=url, model_name="any", auth_token=KEY, text_instruction="", query_instruction=""
    )
    close(client.get_text_embedding_batch(TEXTS), expected)


def haystack(url, expected):
    from haystack import Document
    from haystack.utils import Secret
    from haystack_integrations.components.embedders.huggingface_api import HuggingFaceAPIDocumentEmbedder

    def client(key=KEY, **options):
        return HuggingFaceAPIDocumentEmbedder(
            api_type="text_embeddings_inference",
            api_params={"url": url},
            token=Secret.from_token(key),
            normalize=True,
            progress_bar=False,
            **options,
        )

    documents = client().run([Document(content=text) for text in TEXTS])["documents"]
    close([document.embedding for document in documents], expected)
    with refused(401, "HfHubHTTPError"):
        client("wrong").run([Document(content="a")])
    with refused(413, "HfHubHTTPError"):
        client().run([Document(content=LONG)])
    with refused(422, "HfHubHTTPError"):
        client(truncate=False).run([Document(content="water bottle " * 500)])
    nine = [Document(content=f"a {n}") for n in range(9)]
    with overload(url), refused(429, "HfHubHTTPError"):
        until_refused(lambda: client().run(nine))


@contextlib.contextmanager
def products():
    """Options of a service with an index of its own, and a reranker, so that every route can succeed."""
    with tempfile.TemporaryDirectory() as folder:
        index = os.path.join(folder, "products.index")
        command = [INFER, "--quiet", "index", "build", "--model", MODEL, "--output", index]
        command += ["--corpus", os.path.join(ROOT, "datasets/products.tsv"), "--column", "title"]
        subprocess.run([*command, "--id-column", "id", "--filter-column", "brand"], check=True)
        yield ["--index", index, "--reranker", os.path.join(MODEL, "../rerankers/bert")]


def succeeded(url):
    """Routes with a result so far."""
    with urllib.request.urlopen(f"{url}/metrics") as answer:
        lines = re.findall(r'^te_request_success\{method="(.*)"\} ([0-9.]+)$', answer.read().decode(), re.MULTILINE)
    return {route for route, count in lines if float(count) > 0}


def schemathesis(url, _):
    command = ["schemathesis", "run", f"{url}/api-doc/openapi.json", "--header", f"authorization: Bearer {KEY}"]
    checks = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
    command += ["--checks", checks, "--max-examples", os.environ.get("EXAMPLES", "20"), "--seed", "1"]
    program = os.path.join(os.path.dirname(sys.executable), command[0])
    # It writes what it found to its folder.
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([program, *command[1:]], check=True, cwd=folder)
    missing = {"/search", "/recommend", "/documents", "/rerank", "/v1/rerank"} - succeeded(url)
    assert not missing, f"no request had a result: {missing}"


CLIENTS = [
    openai,
    huggingface_hub,
    langchain_openai,
    llama_index_openai_like,
    llama_index_text_embeddings_inference,
    haystack,
    schemathesis,
]

# Those with a block in the guide.
SNIPPETS = CLIENTS[:6]


def main():
    names = sys.argv[3:] or [client.__name__ for client in CLIENTS]
    expected = embedded(TEXTS)
    failed = []
    for client in CLIENTS:
        if client.__name__ not in names:
            continue
        options = ["--api-key", KEY, "--payload-limit", "200000"]
        with contextlib.ExitStack() as stack:
            try:
                if client is schemathesis:
                    options += ["--max-queue-seconds", "3600", *stack.enter_context(products())]
                else:
                    # With no queue, a request that would wait is refused.
                    options += ["--max-queue-seconds", "0"]
                client(stack.enter_context(server(*options)), expected)
                if client in SNIPPETS:
                    with server() as open_url:
                        run_snippet(client.__name__, open_url)
                print(f"ok: {client.__name__}", flush=True)
            except Exception as error:
                failed.append(client.__name__)
                print(f"FAILED: {client.__name__}: {error!r}", flush=True)
    sys.exit(1 if failed else 0)


main()
