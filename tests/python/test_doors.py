"""The command, pytest's fixture, other kits' formats, the wheel."""

import contextlib
import fnmatch
import importlib.util
import io
import json
import os
import re
import select
import signal
import subprocess
import sys
import tempfile
import textwrap
import unittest
from unittest import mock

import numpy as np

from setting import PACKAGE
from swax_verify import __main__ as command, _library, exports, kernels

KERNELS = """
    import os
    import numpy as np
    def norm(x, w, eps):
        r = 1 / np.sqrt((x.astype(np.float64)**2).mean(-1, keepdims=True) + eps)
        return (x * r * w).astype(np.float32)
    def wrong(x, w, eps):
        return norm(x, w, eps) * np.float32(1.001)
    def leaves(x, w, eps):
        os._exit(0)
    def forges(x, w, eps):
        '''Finds everything that gives a verdict in its own process, and makes it say good.'''
        import sys
        for name, module in list(sys.modules.items()):
            if name.startswith("swax_verify"):
                for n in dir(module):
                    if n in ("Report", "settle", "judge", "run"):
                        setattr(module, n, lambda *a, **k: True)
        print("good: norm: 9 of 9 cases within all bounds", flush=True)
        return np.zeros_like(x)
    def looks_around(x, w, eps):
        '''Right where nothing of the process that judges can be opened.'''
        for name, how in (("mem", os.O_RDONLY), ("fd/1", os.O_WRONLY), ("fd/2", os.O_WRONLY)):
            try:
                os.close(os.open(f"/proc/{os.getppid()}/{name}", how))
                return x
            except PermissionError:
                pass
        return norm(x, w, eps)
    def asks_nothing(x, w, eps):
        '''Says for itself that nothing is asked of it.'''
        from swax_verify import _candidate
        names = lambda m: [a["name"] for a in m["answers"]]
        _candidate.Asker._read = lambda self, m, out: (dict(not_asked=names(m), words=["N=1"]), [])
        return np.zeros_like(x)
    def says(dtype, shape):
        import gc, json, struct
        wire = next(o for o in gc.get_objects() if type(o).__name__ == "Wire")
        about = json.dumps(dict(message={}, arrays=[dict(name="y", dtype=dtype, shape=shape)])).encode()
        wire.write.write(struct.pack("<Q", len(about)) + about + bytes(8 * 64))
        wire.write.flush()
    def says_addresses(x, w, eps):
        says("|O", [1])
    def says_too_much(x, w, eps):
        says("<f8", [1 << 45])
    def says_words(x, w, eps):
        says("<U2", [64])
    def hangs(x, w, eps):
        import signal, time
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        print("it is called", flush=True)
        while True:
            time.sleep(1)
    def has_a_child(x, w, eps):
        import signal
        if not os.fork():
            while True:
                signal.pause()
        return norm(x, w, eps)
    def dies_with_a_child(x, w, eps):
        has_a_child(x, w, eps)
        os.kill(os.getpid(), 9)
"""


class Folder(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def write(self, name, text):
        path = os.path.join(self.folder.name, name)
        with open(path, "w") as file:
            file.write(textwrap.dedent(text))
        return path


class Command(Folder):
    def run_command(self, function, *words):
        out, path = io.StringIO(), self.write("kernels.py", KERNELS)
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            status = command.main([f"{path}:{function}", "rmsnorm_forward", "suite=quick", *words])
        return status, out.getvalue()

    def test_good(self):
        status, said = self.run_command("norm", "seed=5")
        self.assertEqual(status, 0, said)
        self.assertIn("good: rmsnorm_forward suite=quick seed=5", said)
        self.assertIn("not asked about rstd: the function does not give it", said)

    def test_a_function_that_is_not_there(self):
        status, said = self.run_command("wrongg")
        self.assertEqual(status, 2, said)
        self.assertRegex(said, "kernels.py has no wrongg; did you mean wrong")

    def test_wrong(self):
        status, said = self.run_command("wrong")
        self.assertEqual(status, 1)
        self.assertRegex(
            said,
            r"y is 1.001 times.*(\n.*)*replay: python -m swax_verify .*:wrong rmsnorm_forward suite=quick "
            r"seed=\d+ number=\d+",
        )

    def test_json(self):
        status, said = self.run_command("norm", "json=yes", "time=yes", "N=64", "C=64")
        self.assertEqual(status, 0)
        found = json.loads(said)
        self.assertEqual(found["time"][0]["calls"], 11)
        self.assertTrue({"seed", "dtype", "device", "version", "numpy", "python"} <= set(found))
        self.assertTrue(found["line"].startswith("good: rmsnorm_forward suite=quick"))
        self.assertEqual(found["arrays"], "numpy")
        _, said = self.run_command("wrong", "json=yes", "seed=5")
        self.assertRegex(json.loads(said)["replay"], "python -m swax_verify .*:wrong .* seed=5 number=[0-9]")

    @unittest.skipUnless(importlib.util.find_spec("torch"), "torch is not installed")
    def test_the_versions_are_those_of_the_process_of_the_kernel(self):
        """The other has no torch in it."""
        said = subprocess.run(
            [sys.executable, "-m", "swax_verify", self.write("kernels.py", KERNELS) + ":norm", "rmsnorm_forward",
             "suite=quick", "json=yes", "array=numpy", "N=8"],
            env=dict(os.environ, PYTHONPATH=PACKAGE),
            capture_output=True,
            text=True,
        )
        self.assertNotIn("torch", json.loads(said.stdout))
        with open(os.path.join(self.folder.name, "kernels.py"), "a") as file:
            file.write("import torch\n")
        said = subprocess.run(said.args, env=dict(os.environ, PYTHONPATH=PACKAGE), capture_output=True, text=True)
        self.assertIn("torch", json.loads(said.stdout))

    def test_what_a_kernel_prints_is_no_part_of_the_verdict(self):
        said = subprocess.run(
            [sys.executable, "-m", "swax_verify", self.write("kernels.py", KERNELS) + ":forges", "rmsnorm_forward",
             "suite=quick", "json=yes"],
            env=dict(os.environ, PYTHONPATH=PACKAGE),
            capture_output=True,
            text=True,
        )
        self.assertEqual(json.loads(said.stdout)["verdict"], "wrong")
        self.assertIn("good: norm", said.stderr)

    def test_a_process_that_ends_is_no_verdict(self):
        status, said = self.run_command("leaves")
        self.assertEqual(status, 1)
        self.assertIn("ended its process, with status 0", said)
        status, said = self.run_command("leaves", "json=yes")
        self.assertEqual((status, json.loads(said)["verdict"]), (1, "wrong"))
        self.assertIn("ended its process, with status 0", json.loads(said)["trouble"])

    def test_other_words_for_yes(self):
        """All that reads a key takes them: the time has a floor, and the report is JSON."""
        status, said = self.run_command("norm", "json=true", "time=true", "N=64", "C=64")
        self.assertEqual(status, 0, said)
        self.assertLess(json.loads(said)["time"][0]["memory_floor_seconds"], 1)

    def test_a_report_goes_into_its_file(self):
        path = os.path.join(self.folder.name, "verdict.json")
        for function, wanted in (("norm", "good"), ("wrong", "WRONG"), ("leaves", "WRONG")):
            status, said = self.run_command(function, f"report={path}")
            self.assertTrue(said.startswith(f"{wanted}: rmsnorm_forward"), said)
            with open(path) as file:
                self.assertEqual(json.load(file)["verdict"], wanted.lower())
        status, said = self.run_command("norm", f"report={path}/none")
        self.assertEqual(status, 2)
        self.assertIn("verdict.json/none", said)

    def test_a_layout_is_read(self):
        self.assertEqual(self.run_command("norm", "layout=bhtd")[0], 0)
        status, said = self.run_command("norm", "layout=BHDT")
        self.assertEqual(status, 2)
        self.assertIn("layout='BHDT', and it is BTHD or BHTD", said)

    def test_a_verdict_cannot_be_forged_from_the_kernel(self):
        status, said = self.run_command("forges")
        self.assertEqual(status, 1)
        self.assertIn("WRONG", said)

    @unittest.skipUnless(os.path.exists("/proc/self/mem"), "there is no /proc here")
    def test_the_process_that_judges_cannot_be_looked_into(self):
        path = self.write("kernels.py", KERNELS)
        said = subprocess.run(
            [sys.executable, "-m", "swax_verify", path + ":looks_around", "rmsnorm_forward", "suite=quick"],
            env=dict(os.environ, PYTHONPATH=PACKAGE),
            capture_output=True,
            text=True,
        )
        self.assertEqual(said.returncode, 0, said.stdout + said.stderr)

    def test_what_is_asked_is_not_the_kernels_to_say(self):
        status, said = self.run_command("asks_nothing")
        self.assertEqual(status, 1)
        self.assertIn("gives no y", said)

    def test_what_cannot_be_read_is_no_answer(self):
        for function, says in (
            ("says_addresses", r"cannot be read: ValueError: an array of \|O"),
            ("says_words", "cannot be read: ValueError: an array of <U2"),
            ("says_too_much", "cannot be read: MemoryError"),
        ):
            status, said = self.run_command(function)
            self.assertEqual(status, 1)
            self.assertRegex(said, f"WRONG: rmsnorm_forward: .*{says}")

    def test_nobody_is_waited_for_and_nobody_is_left(self):
        for function, says in (
            ("hangs", "hangs did not return within 0.3 seconds"),
            ("dies_with_a_child", "ended its process, with status -9"),
            ("has_a_child", "good: rmsnorm_forward"),
        ):
            read, write = os.pipe()
            os.set_inheritable(write, True)
            spawned = subprocess.Popen  # whose pipe tells that all who have it are gone

            def popen(*a, pass_fds, **k):
                return spawned(*a, pass_fds=(*pass_fds, write), **k)

            received = command.Patient.receive

            def receive(wire):  # what is imported takes its time; a call may take less than usual here
                said = received(wire)
                wire.seconds = 0.3 if function == "hangs" else wire.seconds
                return said

            with mock.patch("subprocess.Popen", popen), mock.patch.object(command.Patient, "receive", receive):
                status, said = self.run_command(function)
            self.assertIn(says, said)
            self.assertEqual(status, says[:4] != "good")
            os.close(write)
            self.assertEqual(select.select([read], [], [], 10)[0], [read], f"{function}: somebody is left")
            self.assertEqual(os.read(read, 1), b"")
            os.close(read)

    def test_who_stops_the_judge_stops_the_kernel(self):
        for number, status in ((signal.SIGTERM, 143), (signal.SIGINT, 130)):
            judge = subprocess.Popen(
                [sys.executable, "-m", "swax_verify", self.write("kernels.py", KERNELS) + ":hangs", "rmsnorm_forward"],
                env=dict(os.environ, PYTHONPATH=PACKAGE),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
            self.assertEqual(judge.stderr.readline(), b"it is called\n")
            judge.send_signal(number)
            out, _ = judge.communicate(timeout=30)  # which waits for all who could write there
            self.assertEqual((judge.returncode, out), (status, b""))

    def test_sentences(self):
        for function, words, says in (
            ("missing", (), "missing"),
            ("norm", ("suite=qiuck",), "quick"),
            ("norm", ("dtype=f23",), "f32"),
            ("norm", ("Q=1",), "Q"),
            ("norm", ("seed=often",), "seed='often': it is a whole number"),
            ("norm", ("suit",), "suit: words behind the kernel are key=value; did you mean suite?"),
            ("norm", ("jsn=yes",), "jsn= is no key; did you mean json?"),
            ("norm", ("json=often",), "json='often': it is yes or no"),
            ("norm", ("report=/nowhere/mine.json",), "report=/nowhere/mine.json: /nowhere is no folder"),
            ("os", (), "kernels.py:os is no function: it is <module 'os'"),
        ):
            status, said = self.run_command(function, *words)
            self.assertEqual(status, 2, said)
            self.assertIn(says, said)
        with self.assertRaisesRegex(ValueError, "the function comes first, and then the kernel: a.py:f rmsnorm"):
            command.command(["rmsnorm", "a.py:f"])
        status, said = self.run_command("norm", "suite=qiuck", "json=yes")
        self.assertEqual(status, 2)
        self.assertIn("did you mean quick", json.loads(said.splitlines()[-1])["why"])

    def test_words_without_a_kernel(self):
        """Help is asked for or is not, and what is not known is said, as `swax verify` does."""
        for words, wanted, says in (
            (["--help"], 0, "The status is 0 for good"),
            (["-h"], 0, "The status is 0 for good"),
            ([], 2, "The status is 0 for good"),
            (["lst"], 2, "lst: say which function, and which kernel"),
            (["kernels.py:norm", "suite=quick"], 2, "kernels.py:norm: say which function, and which kernel"),
            (["list", "mlsm"], 2, "there is no kernel 'mlsm': did you mean mlstm?"),
            (["list", "rmsnorm"], 0, "rmsnorm_backward(N, C)"),
        ):
            out = io.StringIO()
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
                status = command.main(words)
            self.assertEqual(status, wanted, words)
            self.assertIn(says, out.getvalue())

    def test_whoever_reads_has_seen_enough(self):
        norm = self.write("kernels.py", KERNELS) + ":norm"
        said = subprocess.run(
            f"{sys.executable} -m swax_verify {norm} rmsnorm_forward suite=quick | :",
            shell=True,
            env=dict(os.environ, PYTHONPATH=PACKAGE),
            capture_output=True,
            text=True,
        )
        self.assertEqual(said.stderr, "")

    def test_a_refusal_is_one_sentence(self):
        """Neither process shows its stack."""
        norm = self.write("kernels.py", KERNELS) + ":norm"
        said = subprocess.run(
            [sys.executable, "-m", "swax_verify", norm, "rmsnorm_forward", "Q=1"],
            env=dict(os.environ, PYTHONPATH=PACKAGE),
            capture_output=True,
            text=True,
        )
        self.assertEqual((said.returncode, said.stdout), (2, ""))
        self.assertRegex(said.stderr, r"^swax_verify: .*Q.*\n$")


class Exports(Folder):
    def test_flashinfer_bench(self):
        path = exports.flashinfer("attention_forward", self.folder.name, suite="quick", dtype="bf16", seed=5, W=8)
        with open(path) as file:
            d = json.load(file)
        self.assertEqual(d["inputs"]["k"], {"shape": ["B", "S", "G", "D"], "dtype": "bfloat16"})
        self.assertEqual(d["constraints"], ["H % G == 0"])
        compile(d["reference"], "reference", "exec")
        with open(os.path.join(self.folder.name, "workloads", "attention", d["name"] + ".jsonl")) as file:
            traces = [json.loads(line) for line in file]
        self.assertGreater(len(traces), 5)
        self.assertEqual(len({t["workload"]["uuid"] for t in traces}), len(traces))
        for t in traces:
            w = t["workload"]
            tensors = self.load(w["inputs"]["q"]["path"])
            self.assertEqual(list(tensors["q"].shape), [w["axes"][s] for s in "BTHD"])
            self.assertTrue(set(w["inputs"]) == set(tensors) == {"q", "k", "v"})

    def test_a_size_that_no_input_says(self):
        """Of a convolution: its rows begin before the tokens.  What is given is constant in the Definition."""
        with self.assertRaisesRegex(ValueError, "no input's shape says T of conv_forward: give it, as T=64"):
            exports.flashinfer("conv_forward", self.folder.name, dtype="f32")
        for how, words in (
            (dict(outputs="z"), "outputs=z: attention_forward gives y, lse"),
            (dict(w=3), "attention_forward has no w: .* W; did you mean W?"),
        ):
            with self.assertRaisesRegex(ValueError, words):
                exports.flashinfer("attention_forward", self.folder.name, **how)
        with open(exports.flashinfer("conv_forward", self.folder.name, dtype="f32", seed=5, T=6)) as file:
            d = json.load(file)
        self.assertEqual(d["axes"]["T"], {"type": "const", "value": 6})
        self.assertIn("seed=5", d["description"])
        with open(os.path.join(self.folder.name, "workloads", "conv", d["name"] + ".jsonl")) as file:
            self.assertEqual(set(json.loads(file.readline())["workload"]["axes"]), set("BSCF"))
        if importlib.util.find_spec("torch"):
            import torch

            space = {}
            exec(d["reference"], space)
            y = space["run"](torch.ones(2, 6, 3), torch.ones(3, 2))
            self.assertEqual(tuple(y.shape), (2, 6, 3))

    def load(self, path):
        with open(os.path.join(self.folder.name, path), "rb") as file:
            data = file.read()
        n = int.from_bytes(data[:8], "little")
        body, found = data[8 + n :], {}
        for name, t in json.loads(data[8 : 8 + n]).items():
            self.assertEqual(t["dtype"], "BF16")
            bits = np.frombuffer(body[slice(*t["data_offsets"])], "<u2").astype(np.uint32) << 16
            found[name] = bits.view(np.float32).reshape(t["shape"])
        return found

    def test_gpu_mode(self):
        random = np.random.default_rng(1)
        q, k, v = (random.standard_normal((2, 9, 3, 8)).astype(np.float32) for _ in range(3))
        check = exports.check_implementation("attention_forward", inputs=("q", "k", "v"), outputs=("y",), W=4)
        y = kernels.attention(q, k, v, window=4).y.astype(np.float32)
        self.assertEqual(check((q, k, v), y), (True, ""))
        good, why = check((q, k, v), kernels.attention(q, k, v, window=5).y.astype(np.float32))
        self.assertFalse(good)
        self.assertIn("the window", why)
        self.assertIn("the window", why.split("; ")[0])  # the first line says the cause
        self.assertNotIn("\n", why)  # their log has a line for each key
        self.assertIn("are needed", check((q, k), y)[1])

    def test_gpu_mode_refuses_at_once_what_no_answer_could_pass(self):
        for how, words in (
            (dict(op="attention_forwrad"), "did you mean attention_forward"),
            (dict(dtype="bf61"), "did you mean bf16"),
            (dict(layout="TBHD"), "BTHD or BHTD"),
            (dict(inputs=("q", "k", "w")), "attention_forward has no input w: it has k, "),
            (dict(outputs=("ly",)), "attention_forward has no output ly: it has lse, y; did you mean y?"),
            (dict(Q=3), "attention_forward has no Q: its sizes and scalars are B, T, S"),
        ):
            with self.assertRaisesRegex(ValueError, words):
                exports.check_implementation(
                    **{**dict(op="attention_forward", inputs=("q", "k", "v", None), outputs=("y",)), **how}
                )


@unittest.skipUnless(importlib.util.find_spec("pytest"), "pytest is not installed")
class Pytest(Folder):
    def run_pytest(self, *options, **environment):
        given = dict(os.environ, PYTHONPATH=PACKAGE, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1", **environment)
        return subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "swax_verify.pytest_plugin", *options, self.folder.name],
            env={n: value for n, value in given.items() if value},
            capture_output=True,
            text=True,
        )

    def test_the_fixture(self):
        self.write(
            "test_mine.py",
            KERNELS.replace("\n    ", "\n") + textwrap.dedent("""
            from swax_verify import test_of
            def test_right(swax_check):
                swax_check(norm, op="rmsnorm_forward")
            def test_wrong(swax_check):
                swax_check(wrong, op="rmsnorm_forward")
            test_line = test_of(norm, op="rmsnorm_forward", suite="quick")
            """),
        )
        out = self.run_pytest("--swax-seed=77", "--swax-suite=quick").stdout
        self.assertIn("1 failed, 2 passed", out)
        self.assertIn("y is 1.001 times what it should be", out)
        self.assertIn("the same problems again with --swax-seed=77", out)
        self.assertRegex(out, "E +AssertionError: WRONG: rmsnorm_forward")
        wrong = self.run_pytest("--swax-seed=often")
        self.assertIn("--swax-seed='often': it is a whole number from 0 on, or random", wrong.stderr + wrong.stdout)
        self.assertNotIn("INTERNALERROR", wrong.stderr + wrong.stdout)
        self.assertNotIn("door_run", out)  # of the machinery nothing is shown:
        self.assertNotIn("raise AssertionError", out)

    def test_the_seed_and_the_suite_are_those_of_every_check(self):
        """Of check() and of a test in one line as well, in a class of tests too; else --swax-seed would be read by
        nobody, and another seed printed than was asked."""
        self.write(
            "test_mine.py",
            KERNELS.replace("\n    ", "\n") + textwrap.dedent("""
            from swax_verify import check, test_of
            def test_plain():
                check(wrong, op="rmsnorm_forward")
            class TestAll:
                test_line = test_of(wrong, op="rmsnorm_forward")
                test_given = test_of(wrong, op="rmsnorm_forward", seed=5, suite="standard")
            """),
        )
        how = dict(SWAX_SEED="")  # a seed of the environment's would be this run's too
        out = self.run_pytest("--swax-seed=77", "--swax-suite=quick", **how).stdout
        for words, times in (("seed=77", 2), ("seed=5", 1), ("suite=quick", 2), ("suite=standard", 1)):
            # where CI is set, pytest's summary says the whole sentence once more
            said = re.findall(f"^E .*WRONG: rmsnorm_forward .*{words} ", out, re.M)
            self.assertEqual(len(said), times, words)
        drawn = re.findall("WRONG: rmsnorm_forward suite=quick seed=([0-9]+)", self.run_pytest(
            "--swax-suite=quick", "-k", "plain or line", **how).stdout)
        self.assertEqual(len(set(drawn)), 1, drawn)


class Wheel(Folder):
    def builder(self):
        spec = importlib.util.spec_from_file_location("build_wheel", os.path.join(PACKAGE, "build_wheel.py"))
        builder = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(builder)
        return builder

    def test_a_source_install_without_make_has_a_sentence(self):
        with mock.patch.dict(os.environ, PATH=self.folder.name):
            with self.assertRaisesRegex(SystemExit, "could not be built: .*make.* needs make and a C compiler"):
                self.builder().build_wheel(self.folder.name)

    def test_it_is_whole_and_its_tag_is_what_it_needs(self):
        builder = self.builder()
        path = builder.write(self.folder.name, _library.find())
        import zipfile

        with zipfile.ZipFile(path) as z:
            self.assertIsNone(z.testzip())
            names = z.namelist()
            record = z.read(next(n for n in names if n.endswith("RECORD"))).decode()
        self.assertTrue({"swax_verify/__init__.py", "swax_verify/libswax.so"} <= set(names))
        self.assertEqual(sorted(names), sorted(line.split(",")[0] for line in record.splitlines()))
        for page in ("README.md", "example_workflow.yml"):  # what they install is what there is
            with open(os.path.join(PACKAGE, page)) as file:
                pattern = re.search(r"pip install .*?(swax_verify-\S+\.whl)", file.read()).group(1)
            made = f"swax_verify-{builder.version()}-py3-none-manylinux_2_33_x86_64.whl"
            self.assertTrue(fnmatch.fnmatch(made, pattern), f"{page}: {pattern} is not {made}")
        with open(_library.find(), "rb") as file:
            elf = builder.Elf(file.read())
        needs = list(elf.needed())
        if any(n.startswith("libgomp") for n in needs):  # a build with OpenMP may promise nothing
            self.assertIn("-linux_", path)
        self.assertIn(os.uname().machine, path)
        self.assertTrue(any(n.startswith("libc.so") for n in needs))
        self.assertTrue(any(v.startswith("GLIBC_2.") for _, v in elf.versions()))


if __name__ == "__main__":
    unittest.main()
