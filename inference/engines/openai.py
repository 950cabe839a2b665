"""Any endpoint that speaks OpenAI's chat protocol: a provider, or a server of one's own (vLLM, llama.cpp, Ollama …).

The client waits and asks again by itself where a server is busy; the key comes from the environment and is kept
nowhere.
"""

import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any
from urllib.parse import urlsplit

import openai

from inference.engines.base import Completion, Prompt
from inference.environment import versions
from inference.spec import GenerationSpec, Sampling
from runkit.addresses import forbidden, resolved
from runkit.folder import RunFolder, RunRefused

ARGUMENTS = {"timeout_seconds": 120.0, "max_retries": 4, "concurrency": 0, "max_tokens_field": "max_tokens"}
NO_KEY = "none"  # the client insists on a text; servers without keys ignore it


class EndpointEngine:
    """`base_model` names the model as the endpoint knows it."""

    tokenizer = None
    context_length = 0

    def __init__(self, spec: GenerationSpec, folder: RunFolder) -> None:
        self.spec, self.folder = spec, folder
        unknown = sorted(set(spec.engine_arguments) - set(ARGUMENTS))
        if unknown:
            raise RunRefused(f"The endpoint engine knows no argument {', '.join(unknown)}.")
        self.arguments = {**ARGUMENTS, **spec.engine_arguments}
        self._check_address()
        self.client = openai.OpenAI(
            base_url=spec.endpoint,
            api_key=os.environ.get(spec.endpoint_key_variable) or NO_KEY,
            timeout=float(self.arguments["timeout_seconds"]),
            max_retries=int(self.arguments["max_retries"]),
            http_client=openai.DefaultHttpxClient(follow_redirects=False),  # the key goes where it was meant to go
        )

    def generate(self, prompts: Sequence[Prompt]) -> Iterator[Completion]:
        workers = int(self.arguments["concurrency"]) or self.spec.batch_size
        pool = ThreadPoolExecutor(max_workers=max(1, min(workers, len(prompts))))
        try:
            for done in as_completed([pool.submit(self._answer, prompt) for prompt in prompts]):
                yield done.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _answer(self, prompt: Prompt) -> Completion:
        """One answer; what concerns this prompt alone is kept as its error, what concerns the endpoint is raised."""
        self.folder.check()
        start = time.perf_counter()
        try:
            response = self.client.chat.completions.create(**self._request(prompt))
        except (openai.BadRequestError, openai.UnprocessableEntityError, openai.InternalServerError) as error:
            return Completion(prompt.id, error=f"The endpoint answered {error.status_code}: {error.message}"[:500])
        except openai.APITimeoutError:
            return Completion(prompt.id, error=f"No answer within {time.perf_counter() - start:.0f} seconds.")
        except openai.OpenAIError as error:
            raise self._refusal(error) from error
        return self._completion(prompt, response)

    def _request(self, prompt: Prompt) -> dict[str, Any]:
        sampling = self.spec.sampling
        request: dict[str, Any] = {
            "model": self.spec.base_model,
            "messages": prompt.messages,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "seed": prompt.seed,
            str(self.arguments["max_tokens_field"]): sampling.max_tokens,
        }
        if sampling.stop:
            request["stop"] = list(sampling.stop)
        return {**request, "extra_body": beyond_the_protocol(sampling)}

    def _completion(self, prompt: Prompt, response: Any) -> Completion:
        choices = getattr(response, "choices", None)
        if not choices:
            raise RunRefused(f"What answers at {self._host()} does not speak the OpenAI protocol; check the address.")
        usage = response.usage
        return Completion(
            prompt.id,
            text=choices[0].message.content or "",
            prompt_tokens=usage.prompt_tokens if usage else None,
            output_tokens=usage.completion_tokens if usage else None,
            finish_reason=str(choices[0].finish_reason or "")[:20],
            details={"served_model": response.model} if response.model else {},
        )

    def _refusal(self, error: openai.OpenAIError) -> RunRefused:
        """One sentence about the endpoint as a whole."""
        key = self.spec.endpoint_key_variable
        status = getattr(error, "status_code", 0)
        if status in (401, 403):
            what = f"the key in {key}" if key else "a request without a key"
            return RunRefused(f"The endpoint {self._host()} refused {what} ({status}).")
        if status == 404:
            return RunRefused(f"The endpoint {self._host()} knows no model “{self.spec.base_model}” at this address.")
        if status == 429:
            return RunRefused(
                f"The endpoint {self._host()} says that too many requests were sent, or that the quota is used up "
                f"(429), also after {self.arguments['max_retries']} retries; lower the batch size or try again later."
            )
        if 300 <= status < 400:
            return RunRefused(
                f"The endpoint {self._host()} points to another address ({status}), and a request with a key is not "
                "sent on; register the address where it really is."
            )
        if isinstance(error, openai.APIConnectionError):
            return RunRefused(f"The endpoint {self._host()} cannot be reached; check the address and that it runs.")
        return RunRefused(f"The endpoint {self._host()} answered with an error: {str(error)[:200]}")

    def _check_address(self) -> None:
        """Refuse a name behind which the machine's own or a cloud's metadata service stands."""
        host = urlsplit(self.spec.endpoint).hostname or ""
        if any(map(forbidden, resolved(host))):
            raise RunRefused(f"{host} is a link-local or metadata address: what answers there is no model.")

    def _host(self) -> str:
        """The address without a name or password in it."""
        parts = urlsplit(self.spec.endpoint)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"

    def log_probability(self, ids: Sequence[int], *, adapted: bool) -> float:
        raise RunRefused("An endpoint gives no log-probabilities of a prompt.")

    def facts(self) -> dict[str, Any]:
        return {"device": self._host(), "arguments": dict(self.arguments), "versions": versions("openai")}

    def close(self) -> None:
        self.client.close()


def open_engine(spec: GenerationSpec, folder: RunFolder) -> EndpointEngine:
    return EndpointEngine(spec, folder)


def beyond_the_protocol(sampling: Sampling) -> dict[str, Any]:
    """Settings that OpenAI's own protocol lacks and open servers know; sent only where they change something."""
    settings = {
        "top_k": (sampling.top_k, 0),
        "min_p": (sampling.min_p, 0.0),
        "repetition_penalty": (sampling.repetition_penalty, 1.0),
    }
    return {name: value for name, (value, nothing) in settings.items() if value != nothing}
