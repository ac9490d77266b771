"""A linear program in the making, as arrays, and the solver that holds it."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

import highspy
import numpy as np
import numpy.typing as npt

Index = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]
Numbers = float | Values
Mask = npt.NDArray[np.bool_]
Term = tuple[Index, Numbers]

INFINITE: Final = float("inf")
_ROWWISE: Final = 2
_MINIMISE: Final = 1
_PROVEN: Final = 1e-6
"""The relative gap to which a mixed-integer program is solved: HiGHS's own 1e-4 is cents in a plan."""

Outcome = Literal["optimal", "infeasible", "stopped"]


class SolverError(RuntimeError):
    """The solver did not answer: our fault, never the input's."""


class OutOfTime(SolverError):
    """The time was up before any solution was found."""


class Matrix(NamedTuple):
    """Where each row's entries start, their columns and their factors."""

    starts: npt.NDArray[np.int32]
    columns: npt.NDArray[np.int32]
    factors: Values


class Bounds(NamedTuple):
    """Limits of columns and of rows."""

    lower: Values
    upper: Values
    row_lower: Values
    row_upper: Values


class Lp:
    """Columns, rows and entries as they come; prices in named parts, so that each can be told apart."""

    def __init__(self) -> None:
        self.column_count = 0
        self.row_count = 0
        self._lower: list[Values] = []
        self._upper: list[Values] = []
        self._integer: list[Index] = []
        self._row_lower: list[Values] = []
        self._row_upper: list[Values] = []
        self._entries: list[tuple[Index, Index, Values]] = []
        self._prices: dict[str, list[tuple[Index, Values]]] = {}

    def columns(
        self, shape: tuple[int, ...], lower: Numbers, upper: Numbers, *, integer: bool = False
    ) -> Index:
        """New columns of that shape; their positions."""
        size = int(np.prod(shape))
        found = np.arange(self.column_count, self.column_count + size)
        self.column_count += size
        self._lower.append(np.broadcast_to(np.asarray(lower, dtype=np.float64), shape).ravel())
        self._upper.append(np.broadcast_to(np.asarray(upper, dtype=np.float64), shape).ravel())
        if integer:
            self._integer.append(found)
        return found.reshape(shape)

    def rows(self, shape: tuple[int, ...], lower: Numbers, upper: Numbers, *terms: Term) -> Index:
        """New rows of that shape, each the sum of its terms between `lower` and `upper`."""
        size = int(np.prod(shape))
        found = np.arange(self.row_count, self.row_count + size).reshape(shape)
        self.row_count += size
        self._row_lower.append(np.broadcast_to(np.asarray(lower, dtype=np.float64), shape).ravel())
        self._row_upper.append(np.broadcast_to(np.asarray(upper, dtype=np.float64), shape).ravel())
        for columns, factors in terms:
            self.put(found, columns, factors)
        return found

    def put(self, rows: Index, columns: Index, factors: Numbers) -> None:
        """Entries of the matrix; the three broadcast together."""
        at = np.broadcast_shapes(rows.shape, columns.shape, np.shape(factors))
        self._entries.append(
            (
                np.broadcast_to(rows, at).ravel(),
                np.broadcast_to(columns, at).ravel(),
                np.broadcast_to(np.asarray(factors, dtype=np.float64), at).ravel(),
            )
        )

    def price(self, part: str, columns: Index, prices: Numbers) -> None:
        """Add to what a unit of each column costs (or earns) in that part."""
        spread = np.broadcast_to(np.asarray(prices, dtype=np.float64), columns.shape)
        self._prices.setdefault(part, []).append((columns.ravel(), spread.ravel()))

    def part(self, name: str) -> Values:
        """The prices of one part, a number for each column."""
        total = np.zeros(self.column_count)
        for columns, prices in self._prices.get(name, ()):
            np.add.at(total, columns, prices)
        return total

    def matrix(self) -> Matrix:
        """The entries row by row."""
        rows = np.concatenate([entry[0] for entry in self._entries])
        order = np.argsort(rows, kind="stable")
        starts = np.zeros(self.row_count + 1, dtype=np.int32)
        np.cumsum(np.bincount(rows, minlength=self.row_count), out=starts[1:])
        columns = np.concatenate([entry[1] for entry in self._entries])[order].astype(np.int32)
        return Matrix(starts, columns, np.concatenate([entry[2] for entry in self._entries])[order])

    def bounds(self) -> Bounds:
        """The limits of all columns and rows."""
        parts = (self._lower, self._upper, self._row_lower, self._row_upper)
        return Bounds(*(np.concatenate(part) for part in parts))

    def pass_to(self, highs: highspy.Highs, costs: Values) -> None:
        """Give the program to the solver, minimising `costs`.

        Raises:
            SolverError: when the solver refuses the arrays.
        """
        matrix, bounds = self.matrix(), self.bounds()
        integrality = np.zeros(self.column_count, dtype=np.int32)
        for integer in self._integer:
            integrality[integer] = 1
        size = self.column_count, self.row_count, len(matrix.factors), _ROWWISE, _MINIMISE, 0.0
        status = highs.passModel(*size, costs, *bounds, *matrix, integrality)
        if status == highspy.HighsStatus.kError:
            raise SolverError("the solver refused the model")

    def forget(self) -> None:
        """Drop the numbers that the solver has by now: thousands of programs are kept at once."""
        for kept in (self._lower, self._upper, self._row_lower, self._row_upper):
            kept.clear()
        self._entries.clear()
        self._prices.clear()

    @property
    def is_integer(self) -> bool:
        """Whether any column must be a whole number."""
        return bool(self._integer)


class Limits(NamedTuple):
    """What a solve may take: the relative gap at which it is content, and seconds (None: no end)."""

    gap: float = _PROVEN
    seconds: float | None = None


EXACT: Final = Limits()


class Solver:
    """A program inside HiGHS, kept between solves so that the next one starts from the last basis."""

    def __init__(self, lp: Lp, costs: Values, limits: Limits = EXACT, *, presolve: bool = False) -> None:
        self.highs = highspy.Highs()  # type: ignore[no-untyped-call]
        self.highs.silent()
        options = {
            "threads": 1,
            "presolve": "on" if presolve or lp.is_integer else "off",
            "mip_rel_gap": limits.gap,
            "mip_abs_gap": 1e-6,
        }
        if limits.seconds is not None:
            options["time_limit"] = limits.seconds
        for name, value in options.items():
            if self.highs.setOptionValue(name, value) != highspy.HighsStatus.kOk:
                raise SolverError(f"the solver refused its option {name}")
        lp.pass_to(self.highs, costs)
        self._every = np.arange(lp.column_count, dtype=np.int32)
        self.is_integer = lp.is_integer

    def run(self) -> Outcome:
        """Solve from where the last solve ended.

        Raises:
            OutOfTime: when the time was up before any solution was found.
            SolverError: when neither a solution nor a proof that there is none came out.
        """
        self.highs.run()
        status = self.highs.getModelStatus()
        if status == highspy.HighsModelStatus.kOptimal:
            return "optimal"
        if status in (highspy.HighsModelStatus.kInfeasible, highspy.HighsModelStatus.kUnboundedOrInfeasible):
            return "infeasible"
        feasible = self.highs.getInfo().primal_solution_status == int(
            highspy.SolutionStatus.kSolutionStatusFeasible
        )
        if status == highspy.HighsModelStatus.kTimeLimit:
            if feasible:
                return "stopped"
            raise OutOfTime("no solution in the time given")
        raise SolverError(f"the solver ended with {self.highs.modelStatusToString(status)}")

    def replace(self, costs: Values, bounds: Bounds) -> None:
        """Other costs and limits for everything; the matrix stays."""
        rows = np.arange(len(bounds.row_lower), dtype=np.int32)
        self.change_costs(costs)
        self.highs.changeColsBounds(len(self._every), self._every, bounds.lower, bounds.upper)
        self.highs.changeRowsBounds(  # type: ignore[attr-defined]
            len(rows), rows, bounds.row_lower, bounds.row_upper
        )

    def start_from(self, other: Solver) -> None:
        """Take the basis of a program with as many rows; nothing where the columns are others."""
        if len(self._every) == len(other._every):
            self.highs.setBasis(other.highs.getBasis())

    def change_costs(self, costs: Values) -> None:
        """Minimise something else over the same rows."""
        self.highs.changeColsCost(len(costs), self._every, costs)

    def change_bounds(self, columns: Index, lower: Numbers, upper: Numbers) -> None:
        """Other bounds for some columns."""
        at = columns.ravel().astype(np.int32)
        low = np.ascontiguousarray(np.broadcast_to(np.asarray(lower, np.float64), columns.shape).ravel())
        high = np.ascontiguousarray(np.broadcast_to(np.asarray(upper, np.float64), columns.shape).ravel())
        self.highs.changeColsBounds(len(at), at, low, high)

    def cap(self, costs: Values, at_most: float) -> None:
        """One more row: `costs` in total at most that."""
        at = np.flatnonzero(costs).astype(np.int32)
        self.highs.addRow(-INFINITE, at_most, len(at), at, costs[at])

    def values(self) -> Values:
        """What each column is in the solution."""
        return np.array(self.highs.getSolution().col_value)

    @property
    def objective(self) -> float:
        """What the solution costs."""
        return float(self.highs.getInfo().objective_function_value)

    @property
    def bound(self) -> float:
        """What no solution costs less than, as far as proven."""
        info = self.highs.getInfo()
        return float(info.mip_dual_bound) if self.is_integer else float(info.objective_function_value)
