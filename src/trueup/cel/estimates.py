"""What an expression may cost at worst, before it runs. Used where rules are defined.

Source: cel-go ``checker/cost.go``, ``ext/{lists,sets}.go``. How Kubernetes prices its own functions is in ``prices``.
"""

from __future__ import annotations

from typing import Any

from trueup.cel import prices
from trueup.cel.prices import FREE, ONE, UNKNOWN, Path, Range, Sized, Sizes, call_price, fixed
from trueup.cel.schemas import Declared
from trueup.cel.tree import Call, Comprehension, Ident, ListNode, Literal, MapNode, Node, Select, Struct
from trueup.cel.types import SCALARS, Type, is_optional
from trueup.cel.values import Uint

_LIST, _MAP, _STRUCT = fixed(10), fixed(30), fixed(40)


class _Entries:
    """The sizes of what a list or map holds."""

    __slots__ = ("is_list", "key", "value")

    def __init__(self, is_list: bool, key: Range, value: Range) -> None:
        self.is_list = is_list
        self.key = key
        self.value = value

    def union(self, other: _Entries) -> _Entries:
        return _Entries(self.is_list, self.key.union(other.key), self.value.union(other.value))


class _Local:
    """A name within a loop."""

    __slots__ = ("entries", "path", "size")

    def __init__(self, path: Path, size: Range | None, entries: _Entries | None) -> None:
        self.path = path
        self.size = size
        self.entries = entries


class Estimate:
    """Prices one tree; ``sizes`` says how large data may be, by place and type."""

    def __init__(self, sizes: Sizes) -> None:
        self._sized_by = sizes
        self._locals: dict[str, list[_Local]] = {}
        self._paths: dict[int, Path] = {}
        self._sizes: dict[int, Range] = {}
        self._entries: dict[int, _Entries] = {}

    def cost(self, node: Node) -> Range:
        """What a node costs at best and at worst."""
        if isinstance(node, Literal):
            return FREE
        if isinstance(node, Ident):
            return self._ident(node)
        if isinstance(node, Select):
            return self._select(node)
        if isinstance(node, Call):
            return self._call(node)
        if isinstance(node, ListNode):
            return self._list(node)
        if isinstance(node, MapNode):
            return self._map(node)
        if isinstance(node, Struct):
            return sum((self.cost(entry.value) for entry in node.entries), _STRUCT)
        assert isinstance(node, Comprehension)
        return self._bind(node) if node.macro == "bind" else self._loop(node)

    def _ident(self, node: Ident) -> Range:
        local = self._local(node.name)
        self._paths[id(node)] = local.path if local else (node.name,)
        return ONE

    def _select(self, node: Select) -> Range:
        if node.resolved is not None:
            return self.cost(node.resolved)
        if node.test:
            return self.cost(node.operand)
        cost = self.cost(node.operand)
        if node.optional:
            return cost + ONE
        if node.operand.type.kind in ("map", "struct", "param"):
            cost = cost + ONE
        self._paths[id(node)] = (*self._path(node.operand), node.field)
        return cost

    def _list(self, node: ListNode) -> Range:
        cost, size = _LIST, _nothing(bool(node.items))
        for item in node.items:
            cost = cost + self.cost(item)
            size = size.union(self._size_or_unknown(item))
        self._entries[id(node)] = _Entries(True, ONE, size)
        return cost

    def _map(self, node: MapNode) -> Range:
        cost, keys, values = _MAP, _nothing(bool(node.entries)), _nothing(bool(node.entries))
        for entry in node.entries:
            assert entry.key is not None
            cost = cost + self.cost(entry.key) + self.cost(entry.value)
            keys = keys.union(self._size_or_unknown(entry.key))
            values = values.union(self._size_or_unknown(entry.value))
        self._entries[id(node)] = _Entries(False, keys, values)
        return cost

    # --- loops ---------------------------------------------------------------------------------------------------

    def _loop(self, node: Comprehension) -> Range:
        cost = self.cost(node.range) + self.cost(node.init)
        self._push(node.accu, _Local(self._path(node.init), self._size(node.init), self._entry_sizes(node.init)))
        self._push_iterated(node)
        test, step = self.cost(node.condition), self.cost(node.step)
        self._locals[node.var].pop()
        if node.var2:
            self._locals[node.var2].pop()
        cost = cost + self.cost(node.result)
        self._locals[node.accu].pop()
        rounds = self._size_or_unknown(node.range)
        if isinstance(node.init, Literal):
            size = self._size(node.init)
            if size is not None:
                self._sizes[id(node)] = size
        elif isinstance(node.init, (ListNode, MapNode)):
            self._sizes[id(node)] = rounds
            entries = self._entry_sizes(node.step)
            if entries is not None:
                self._entries[id(node)] = entries
        return cost + rounds * (step + test)

    def _push_iterated(self, node: Comprehension) -> None:
        entries, path = self._entry_sizes(node.range), self._path(node.range)
        is_list = entries.is_list if entries else node.range.type.kind == "list"
        key, value = (entries.key, entries.value) if entries else (None, None)
        if node.var2:
            self._push(node.var, _Local((*path, "@indices" if is_list else "@keys"), key, None))
            self._push(node.var2, _Local((*path, "@items" if is_list else "@values"), value, None))
        elif is_list:
            self._push(node.var, _Local((*path, "@items"), value, None))
        else:
            self._push(node.var, _Local((*path, "@keys"), key, None))

    def _bind(self, node: Comprehension) -> Range:
        cost = self.cost(node.range) + self.cost(node.init)
        self._push(node.accu, _Local(self._path(node.init), self._size(node.init), self._entry_sizes(node.init)))
        cost = cost + self.cost(node.result)
        self._copy_sizes(node, node.result)
        self._locals[node.accu].pop()
        return cost

    # --- calls ---------------------------------------------------------------------------------------------------

    def _call(self, node: Call) -> Range:
        if node.function == "dyn" and node.args:
            cost = self.cost(node.args[0])
            self._copy_sizes(node, node.args[0])
            return cost + ONE
        costs = [self.cost(arg) for arg in node.args]
        args = [self._sized(arg) for arg in node.args]
        if not node.overloads:
            return FREE
        cost, target = FREE, None
        if node.target is not None:
            cost = self.cost(node.target)
            target = self._sized(node.target)
        worst, size = Range(prices.LARGEST, 0), None
        for overload in node.overloads:
            price, result = self._overload(node, overload.id, target, args, costs)
            worst = worst.union(price)
            if result is not None:
                size = result if size is None else size.union(result)
            if overload.id in ("index_list", "index_map"):
                entries = self._entry_sizes(node.args[0])
                size = entries.value if entries else None
                step = "@items" if overload.id == "index_list" else "@values"
                self._paths[id(node)] = (*self._path(node.args[0]), step)
            if size is None:
                size = self._size(node)
        if size is not None:
            self._sizes[id(node)] = size
        return cost + worst

    def _overload(
        self, node: Call, identity: str, target: Sized | None, args: list[Sized], costs: list[Range]
    ) -> tuple[Range, Range | None]:
        """A call's own price with its arguments', and the size of what it answers."""
        known = call_price(node.function, identity, target, args)
        if known is not None:
            return sum(costs, known[0]), known[1]
        if identity in ("logical_or", "logical_and"):
            return Range(costs[0].low, (costs[0] + costs[1]).high), None
        if identity == "conditional":
            size = args[1].size_or_unknown.union(args[2].size_or_unknown)
            yes, no = self._entry_sizes(node.args[1]), self._entry_sizes(node.args[2])
            if yes and no:
                self._entries[id(node)] = yes.union(no)
            return costs[0] + costs[1].union(costs[2]), size
        if identity in ("add_string", "add_bytes", "add_list"):
            size = args[0].size_or_unknown + args[1].size_or_unknown
            left, right = self._entry_sizes(node.args[0]), self._entry_sizes(node.args[1])
            if left and right:
                self._entries[id(node)] = left.union(right)
            own = ONE if identity == "add_list" else size.scaled(prices.STRING_FACTOR)
            return sum(costs, own), size
        return sum(costs, ONE), None

    # --- sizes ---------------------------------------------------------------------------------------------------

    def _push(self, name: str, local: _Local) -> None:
        self._locals.setdefault(name, []).append(local)

    def _local(self, name: str) -> _Local | None:
        held = self._locals.get(name)
        return held[-1] if held else None

    def _path(self, node: Node) -> Path:
        if isinstance(node, Ident):
            local = self._local(node.name)
            if local is not None:
                return local.path
        return self._paths.get(id(node), ())

    def _sized(self, node: Node) -> Sized:
        path = self._path(node)
        if path and path[0] in ("@result", "__result__"):
            path = ()
        return Sized(node, node.type, self._size(node), path, self._sized_by)

    def _size_or_unknown(self, node: Node) -> Range:
        return self._size(node) or UNKNOWN

    def _size(self, node: Node) -> Range | None:
        found = self._sizes.get(id(node)) or _literal_size(node)
        if found is not None:
            return found
        found = self._sized_by(self._path(node), node.type)
        if found is not None:
            self._sizes[id(node)] = found
            return found
        if _is_scalar(node.type):
            return ONE
        local = self._local(node.name) if isinstance(node, Ident) else None
        return local.size if local else None

    def _entry_sizes(self, node: Node) -> _Entries | None:
        found = self._entries.get(id(node))
        if found is None and isinstance(node, Ident):
            local = self._local(node.name)
            found = local.entries if local else None
        return found

    def _copy_sizes(self, to: Node, of: Node) -> None:
        size, entries = self._size(of), self._entry_sizes(of)
        if size is not None:
            self._sizes[id(to)] = size
        if entries is not None:
            self._entries[id(to)] = entries


def by_schema(root: Declared | None) -> Sizes:
    """Sizes as a schema bounds them: that of the variables, whatever their names, as Kubernetes has it."""

    def size(path: Path, of: Type) -> Range | None:
        found = root if path else None
        for step in path[1:]:
            if found is None:
                return None
            if step in ("@items", "@values"):
                found = found.element
            elif step == "@keys":
                found = found.key
            else:
                found = (found.fields or {}).get(step, (None, None))[1]
        return Range(0, found.most) if found is not None else None

    return size


def _nothing(filled: bool) -> Range:
    return Range(prices.LARGEST if filled else 0, 0)


def _literal_size(node: Node) -> Range | None:
    if isinstance(node, Literal):
        value: Any = node.value
        if isinstance(value, (str, bytes)):
            return fixed(len(value))
        return ONE if value is None or isinstance(value, (bool, int, Uint, float)) else None
    if isinstance(node, ListNode):
        return fixed(len(node.items))
    return fixed(len(node.entries)) if isinstance(node, MapNode) else None


def _is_scalar(of: Type) -> bool:
    return of.kind in SCALARS or (is_optional(of) and _is_scalar(of.params[0]))
