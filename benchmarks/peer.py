"""A peer in its own process and environment: `python benchmarks/peer.py ROW PEER THREADS`, spoken to in JSON lines.

A case per line prepares it and answers with the seconds of the warm-up; an empty line times one round of every call.
A call may return how many tokens it worked on, or {"tokens", "seconds", …} if it times itself.
`benchmarks.ROW.calls` may import only packages of the peer's environment. WARM_UP is the number of calls before
that, by default 2.
"""

import importlib
import json
import os
import sys
import time
from pathlib import Path


def main() -> None:
    row, peer, threads = sys.argv[1:]
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # the output of libraries must not be taken for an answer
    if peer.startswith(("torch", "joeynmt")):
        import torch

        torch.set_num_threads(int(threads))
    else:
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(int(threads))
        tf.config.threading.set_inter_op_parallelism_threads(int(threads))
    module, calls = importlib.import_module(f"benchmarks.{row}"), {}
    for line in sys.stdin:
        if line.strip():
            start = time.perf_counter()
            calls = module.calls(peer, json.loads(line))
            for name, call in calls.items():
                for _ in range(getattr(module, "WARM_UP", {}).get(name, 2)):
                    call()
            reply = {"seconds": time.perf_counter() - start}
        else:
            reply = {}
            for name, call in calls.items():
                start = time.perf_counter()
                found = call()
                found = found if isinstance(found, dict) else {"tokens": found} if isinstance(found, int) else {}
                reply[name] = {"seconds": time.perf_counter() - start} | found
        print(json.dumps(reply), file=answers, flush=True)


if __name__ == "__main__":
    main()
