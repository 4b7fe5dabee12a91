"""The product as a contender: from the user's table, and from its own inbox."""

from abc import abstractmethod
from dataclasses import replace

from benchmarks import product
from benchmarks.contenders import Contender, Workers
from benchmarks.verification import check_counters, check_results, check_statuses


class Product(Contender):
    """Recordmill itself, by its public commands."""

    def prepare(self, count: int, trace: str) -> None:
        results = self.bench.setup.results or bool(trace)
        self.setup = replace(self.bench.setup, results=results, trace=trace, source=self.name)
        product.load(self.bench.site, self.setup)
        self.fill(count)

    @abstractmethod
    def fill(self, count: int) -> None:
        """The source, with `count` records."""

    def idle_workers(self, count: int, trace: str) -> Workers:
        return self.bench.site.workers(self.setup.workers)

    def go(self, count: int) -> float:
        self.report = product.run(self.bench.site, self.setup)
        return product.seconds_of(self.report)


class ProductTable(Product):
    """From the user's table."""

    name = "table"

    def fill(self, count: int) -> None:
        self.bench.goods.refill(count)

    def check(self, count: int, trace: str) -> None:
        check_counters(self.report, count)
        check_statuses(self.bench.goods.statuses(), count)
        if trace:
            check_results(self.bench.goods.results(), count)


class ProductInbox(Product):
    """From the inbox, where the records were published before."""

    name = "inbox"

    def fill(self, count: int) -> None:
        product.refill_inbox(self.bench.site, self.bench.database, self.setup, count)

    def check(self, count: int, trace: str) -> None:
        check_counters(self.report, count)
        check_statuses(product.inbox_states(self.bench.database), count, "done")
        if trace:
            check_results(product.inbox_results(self.bench.database), count)


SOURCES: dict[str, type[Contender]] = {each.name: each for each in (ProductTable, ProductInbox)}
