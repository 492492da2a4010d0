"""Runs tests of Python's own, and writes what became of each."""

import multiprocessing
import sys
import unittest

# The first one expects that others have not imported what they need.
SUITES = [
    "test_threading", "test_bytes", "test_collections", "test_deque", "test_dict", "test_fork1",
    "test_functools", "test_generators", "test_heapq", "test_itertools", "test_json", "test_list",
    "test_long", "test_mmap", "test_pickle", "test_re", "test_set", "test_sort", "test_struct",
    "test_thread", "test_unicode", "test_zlib",
]


class Result(unittest.TextTestResult):
    """Notes the outcome of each test."""

    outcomes = {}

    def stopTest(self, test):
        super().stopTest(test)
        bad = {case.id() for case, _ in self.errors + self.failures}
        skipped = {case.id() for case, _ in self.skipped}
        name = test.id()
        self.outcomes[name] = "FAILED" if name in bad else "skipped" if name in skipped else "passed"


def square(number):
    """Something to do in another process."""
    return sum(list(range(number))) ** 2


def main():
    """Runs the suites, and then a pool of processes."""
    names = ["test." + name for name in SUITES]
    suite = unittest.defaultTestLoader.loadTestsFromNames(names)
    unittest.TextTestRunner(resultclass=Result, verbosity=0).run(suite)
    with open("outcomes", "w", encoding="utf-8") as file:
        for name, outcome in sorted(Result.outcomes.items()):
            print(name, outcome, file=file)
        with multiprocessing.get_context("fork").Pool(3) as pool:
            print(pool.map(square, range(2000)), file=file)
    # Some may fail here, whatever the allocator is.
    return 0 if list(Result.outcomes.values()).count("passed") > 2000 else 1


if __name__ == "__main__":
    sys.exit(main())
