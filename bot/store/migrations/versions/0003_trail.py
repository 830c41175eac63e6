"""Signed checkpoints, the tree's tiles, where the archive stands, what commitments stand for."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Every column has a default in the database: the version before goes on writing rows during an upgrade.
    op.add_column("head", sa.Column("chain", sa.String(), nullable=False, server_default=""))
    op.add_column("head", sa.Column("origin", sa.String(), nullable=False, server_default=""))
    # A log that has rows carries the name that every log had before.
    op.execute("update head set chain = 'signalbox', origin = 'signalbox' where size > 0")
    op.create_table(
        "checkpoint",
        sa.Column("origin", sa.String(), primary_key=True),
        sa.Column("size", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("note", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("shipped_at", sa.Float(), nullable=True),
    )
    op.create_table(
        "tile",
        sa.Column("level", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("number", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("hashes", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "anchor",
        sa.Column("origin", sa.String(), primary_key=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("locked_size", sa.BigInteger(), nullable=False),
        sa.Column("locked_root", sa.LargeBinary(), nullable=False),
        sa.Column("looked_at", sa.Float(), nullable=False),
        sa.Column("shipped_at", sa.Float(), nullable=True),
        sa.Column("late_since", sa.Float(), nullable=True),
    )
    op.create_table(
        "disclosure",
        sa.Column("seq", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("path", sa.String(), primary_key=True),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("until", sa.Float(), nullable=False),
    )


def downgrade() -> None:
    for table in ("disclosure", "anchor", "tile", "checkpoint"):
        op.drop_table(table)
    for column in ("origin", "chain"):
        op.drop_column("head", column)
