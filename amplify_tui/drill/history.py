"""What happened in the sandbox's repository, as data: conventional commits, tickets and two releases."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Change:
    """One commit; *path* gets a line more. A tag named here is an annotated one on this commit."""

    subject: str
    path: str
    body: str = ""
    tag: str = ""


HISTORY: tuple[Change, ...] = (
    Change("feat(ledger): book orders in one transaction", "ledger/book.py", "Refs: SHOP-88"),
    Change("feat(pricing): price lists per currency", "pricing/lists.py", "Refs: SHOP-91"),
    Change("feat(checkout): buy with a saved card", "checkout/buy.py", "Refs: SHOP-97"),
    Change("fix(pricing): round half to even", "pricing/round.py", "Refs: SHOP-102"),
    Change("docs: how an order travels", "docs/order.md"),
    Change("chore(release): 2.9.3", "CHANGELOG.md", tag="v2.9.3"),
    Change("fix(checkout): keep the basket over a login", "checkout/basket.py", "Refs: SHOP-109"),
    Change("perf(ledger): one round trip less a booking", "ledger/book.py", "Refs: SHOP-111"),
    Change("test(checkout): a basket of a thousand lines", "checkout/test_basket.py"),
    Change("chore(release): 2.9.4", "CHANGELOG.md", tag="v2.9.4"),
    Change("refactor(checkout): orders as values", "checkout/order.py", "Refs: SHOP-118"),
    Change("feat(checkout): the new way to pay, behind checkout-v3", "checkout/pay.py", "Refs: SHOP-123"),
    Change("feat(checkout): several coupons in an order", "checkout/coupons.py", "Refs: SHOP-124"),
    Change("fix(checkout): a double click buys once", "checkout/buy.py", "Fixes: SHOP-127"),
    Change("perf(checkout): prices in one call to pricing", "checkout/prices.py", "Refs: SHOP-130"),
    Change(
        "feat(checkout)!: the order number is a string",
        "checkout/order.py",
        "BREAKING CHANGE: readers of the order feed must take `order_no` as text.\n\nRefs: SHOP-131",
    ),
    Change("fix(checkout): tell a declined card from a timeout", "checkout/pay.py", "Fixes: SHOP-133"),
    Change("build: pin the base image", "Dockerfile"),
    Change("docs(checkout): run book of the new way to pay", "docs/pay.md", "Refs: SHOP-135"),
    Change("feat(checkout): schema 43 keeps both order numbers", "checkout/schema.sql", "Refs: SHOP-136"),
)
