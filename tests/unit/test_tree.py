from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymerkle import InmemoryTree

from bot.trail import tree


def nodes(leaves: list[bytes]) -> tree.Node:
    def node(level: int, index: int) -> bytes:
        if level == 0:
            return leaves[index]
        return tree.node_hash(node(level - 1, 2 * index), node(level - 1, 2 * index + 1))

    return node


def log(size: int) -> list[bytes]:
    return [tree.leaf_hash(f"row {n}".encode()) for n in range(size)]


def test_the_empty_tree_and_the_first_leaves_are_those_of_the_rfc() -> None:
    """RFC 6962 §2.1: SHA-256 of nothing, then leaf and node hashes with their prefixes."""
    assert tree.root(nodes([]), 0).hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert tree.leaf_hash(b"").hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    pair = log(2)
    assert tree.root(nodes(pair), 2) == hashlib.sha256(b"\x01" + pair[0] + pair[1]).digest()


@settings(max_examples=60, deadline=None)
@given(size=st.integers(1, 300))
def test_every_way_to_a_root_agrees_with_another_library(size: int) -> None:
    """By nodes, by adding one after the other, from a frontier, and as pymerkle computes it."""
    leaves = log(size)
    oracle = InmemoryTree(algorithm="sha256")
    grown = tree.Frontier()
    for number, leaf in enumerate(leaves):
        oracle.append_entry(f"row {number}".encode())
        grown.add(leaf)
    assert tree.root(nodes(leaves), size) == oracle.get_root() == grown.root()
    half = tree.frontier(nodes(leaves), size // 2)
    for leaf in leaves[size // 2 :]:
        half.add(leaf)
    assert half.root() == grown.root()


@settings(max_examples=200, deadline=None)
@given(size=st.integers(1, 300), data=st.data())
def test_a_proof_shows_its_own_leaf_in_its_own_tree_and_nothing_else(size: int, data: st.DataObject) -> None:
    """Another leaf, place, size or root, or a path with a hash more or less, is not shown by it."""
    leaves = log(size)
    index = data.draw(st.integers(0, size - 1))
    path = tree.inclusion(nodes(leaves), index, size)
    root = tree.root(nodes(leaves), size)
    assert len(path) <= (size - 1).bit_length()
    assert tree.included(leaves[index], index, size, path, root)
    assert not tree.included(tree.leaf_hash(b"forged"), index, size, path, root)
    assert not tree.included(leaves[index], index, size, [*path, root], root)
    assert not tree.included(leaves[index], index, size, path, tree.EMPTY)
    if path:
        assert not tree.included(leaves[index], index, size, path[:-1], root)
        assert not tree.included(leaves[index], index ^ 1, size, path, root)


@settings(max_examples=200, deadline=None)
@given(new=st.integers(1, 300), data=st.data())
def test_consistency_is_shown_between_true_heads_only(new: int, data: st.DataObject) -> None:
    """A history that was written anew cannot be shown to follow the one that was signed."""
    leaves = log(new)
    old = data.draw(st.integers(0, new))
    path = tree.consistency(nodes(leaves), old, new)
    heads = tree.root(nodes(leaves), old), tree.root(nodes(leaves), new)
    assert tree.consistent(old, heads[0], new, heads[1], path)
    if old > 0:
        other = [tree.leaf_hash(b"forged"), *leaves[1:]]
        forged = tree.root(nodes(other), new)
        assert not tree.consistent(old, heads[0], new, forged, tree.consistency(nodes(other), old, new))
        assert not tree.consistent(old, tree.EMPTY, new, heads[1], path)
        assert not tree.consistent(old, heads[0], new, heads[1], [*path, heads[1]])
    if 0 < old < new:
        assert not tree.consistent(old, heads[0], new, heads[1], path[:-1])


@pytest.mark.parametrize(("index", "size"), [(-1, 3), (3, 3), (0, 0)])
def test_no_proof_is_made_of_what_is_not_there(index: int, size: int) -> None:
    """A leaf outside the tree has no place in it."""
    with pytest.raises(ValueError, match="is not in a tree"):
        tree.inclusion(nodes(log(size)), index, size)


def test_a_frontier_of_the_wrong_shape_is_refused() -> None:
    """One hash for each set bit of the size."""
    with pytest.raises(ValueError, match="has 2 hashes"):
        tree.Frontier(3, log(1))
