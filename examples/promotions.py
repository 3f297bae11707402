#!/usr/bin/env python3
"""Writes examples/promotions.yaml: families of promotions as a shop of this size keeps them.

    python3 examples/promotions.py > examples/promotions.yaml
"""


def value(of):
    """YAML in flow style; texts are quoted only where they would be something else."""
    if isinstance(of, bool):
        return "true" if of else "false"
    if isinstance(of, dict):
        return "{" + ", ".join(f"{key}: {value(item)}" for key, item in of.items()) + "}"
    if isinstance(of, list):
        return "[" + ", ".join(value(item) for item in of) + "]"
    if isinstance(of, str) and (":" in of or "," in of or "%" in of or of[:1].isdigit()):
        return f'"{of}"'
    return str(of)


def family(title):
    print(f"\n  # {title}")


def rule(id, name, lane, then, **more):
    print(f"  - id: {id}")
    print(f"    name: {value(name)}")
    print(f"    lane: {lane}")
    for key, item in more.items():
        print(f"    {key}: {value(item)}")
    print(f"    then: {value(then)}")


def season(start, end):
    return {"from": f"2026-{start}T00:00:00Z", "until": f"2026-{end}T00:00:00Z"}


print("""# Promotions of an example shop, written by examples/promotions.py.
#
# In a lane each line, each charge and the place of a gift go to one promotion: the best, or the first by priority.
# Lanes add up, in this order. Amounts are in `currency`, up to two decimals; percentages have two decimals too.

currency: EUR
lanes:
  - {name: goods, pick: best}
  - {name: member, pick: first}
  - {name: order, pick: best}
  - {name: coupon, pick: best}
  - {name: payment, pick: best}
  - {name: shipping, pick: best}
  - {name: gift, pick: first}

promotions:""")

family("Newcomers, by what they spend on their first order.")
rule("welcome-300-50", "300 less 50 for new customers", "order",
     {"tiers": {"steps": [{"spend": 300, "amount": 50}, {"spend": 500, "amount": 100}]}},
     priority=10, exclusive=["welcome"], when=[{"new_customer": True}], limits={"per_customer": 1})
rule("welcome-100-10", "100 less 10 for new customers", "order",
     {"tiers": {"steps": [{"spend": 100, "amount": 10}]}},
     exclusive=["welcome"], when=[{"new_customer": True}])
rule("first-order-shipping", "Free shipping on the first order", "shipping",
     {"charge": {"kind": "shipping", "percent": 100}}, when=[{"order_number": {"from": 1, "to": 1}}])
for n, percent in [(5, 5), (10, 8), (25, 10), (50, 15), (100, 25)]:
    rule(f"order-{n}", f"Thanks for order {n}", "order", {"order": {"percent": percent}}, priority=5,
         when=[{"order_number": {"from": n, "to": n}}], cap=100)
rule("every-tenth", "Every tenth order", "order", {"order": {"amount": "4.99"}},
     when=[{"order_number": {"every": 10}}])

CATEGORIES = {
    "books": 15, "music": 12, "films": 12, "games": 10, "toys": 10, "garden": 20, "kitchen": 15, "bath": 15,
    "bedding": 20, "lighting": 18, "furniture": 10, "rugs": 25, "tools": 10, "paint": 12, "bikes": 5, "camping": 15,
    "fitness": 15, "football": 10, "running": 12, "swimming": 15, "shoes": 20, "shirts": 20, "coats": 30,
    "hats": 25, "bags": 15, "jewellery": 10, "watches": 5, "cosmetics": 15, "perfume": 10, "stationery": 20,
}
family("A week for each category: a part off its goods, and never off electronics.")
for week, (category, percent) in enumerate(CATEGORIES.items()):
    more = {"priority": 1} if percent >= 20 else {}
    rule(f"week-{category}", f"{category.capitalize()} week", "goods",
         {"line": {"percent": percent, "of": {"category": [category]}}},
         when=[{"not": {"category": ["electronics"]}}], **more)
family("Three of a category and more: steps by units.")
for category, percent in CATEGORIES.items():
    rule(f"more-{category}", f"The more {category} the better", "goods",
         {"tiers": {"of": {"category": [category]},
                    "steps": [{"units": 5, "percent": percent + 5}, {"units": 10, "percent": percent + 10}]}},
         cap=200)

family("Rules for one category alone; electronics in the cart refuse them.")
for category, percent in [("books", 5), ("music", 5), ("games", 5), ("toys", 5), ("films", 5)]:
    rule(f"only-{category}", f"Only {category}", "order", {"order": {"percent": percent}},
         when=[{"only": {"category": [category]}}, {"subtotal": {"at_least": 20}}],
         refusal=f"only carts of nothing but {category} for 20.00 EUR or more get it")

BRANDS = ["Norden", "Acme", "Borealis", "Cardo", "Delft", "Elmo", "Fjord", "Gala", "Halo", "Iris", "Juno", "Kite",
          "Luma", "Mira", "Nova", "Orca", "Pixel", "Quill", "Rhea", "Sol", "Tarn", "Umbra", "Vela", "Wren", "Xeno",
          "Yarrow", "Zephyr", "Aster", "Birch", "Cedar", "Dune", "Ember", "Flint", "Grove", "Haven", "Inlet", "Jade",
          "Koi", "Lark", "Moss"]
family("Brand days: spend on a brand, get some of it back.")
for at, brand in enumerate(BRANDS):
    spend, back = 50 + 10 * (at % 6), 5 + at % 6
    rule(f"brand-{brand.lower()}", f"{brand} days", "goods",
         {"tiers": {"of": {"brand": [brand]}, "steps": [{"spend": spend, "amount": back},
                                                        {"spend": 2 * spend, "amount": 3 * back}]}})

family("Specials: one SKU at a fixed price, while its season lasts.")
for at in range(50):
    rule(f"special-{at:02}", f"Special {at:02}", "goods",
         {"unit_price": {"unit": f"{4 + at % 20}.99", "of": {"sku": [f"SP-{at:02}"]}}},
         priority=2, window=season("03-01", "06-01" if at % 2 else "09-01"))
family("The second at half price.")
for at in range(25):
    rule(f"second-half-{at:02}", f"Second half price {at:02}", "goods",
         {"nth": {"n": 2, "percent": 50, "of": {"sku": [f"HP-{at:02}"]}}})
family("Three for two.")
for at in range(20):
    rule(f"three-for-two-{at:02}", f"Three for two {at:02}", "goods",
         {"buy_get": {"buy": 2, "get": 1, "of": {"sku": [f"TT-{at:02}"]}, "times": 3}})
family("Buy one thing, get another cheaper.")
for at, (buy, get, percent) in enumerate([("bikes", "hats", 50), ("furniture", "lighting", 30), ("paint", "tools", 20),
                                          ("camping", "lighting", 25), ("coats", "hats", 100), ("shoes", "bags", 10),
                                          ("games", "toys", 20), ("rugs", "bedding", 15)]):
    rule(f"with-{buy}", f"{get.capitalize()} with {buy}", "goods",
         {"buy_get": {"buy": 1, "get": 1, "percent": percent, "of": {"category": [buy]},
                      "get_of": {"category": [get]}}}, priority=3)
family("Bundles at a fixed price.")
for at in range(15):
    rule(f"bundle-{at:02}", f"Set {at:02}", "goods",
         {"bundle": {"price": f"{30 + at}.00", "parts": [{"quantity": 1, "of": {"sku": [f"SET-{at:02}-A"]}},
                                                         {"quantity": 2, "of": {"sku": [f"SET-{at:02}-B"]}}]}})
rule("any-three-books", "Any three books for 25.00", "goods",
     {"bundle": {"price": 25, "parts": [{"quantity": 3, "of": {"category": ["books"]}}]}}, priority=1)

family("Members: the higher the tier, the more off; not on watches and jewellery.")
NOT = {"except_category": ["watches", "jewellery"]}
for priority, (tier, percent) in enumerate([("bronze", 2), ("silver", 3), ("gold", "5.5"), ("platinum", 8)]):
    rule(f"member-{tier}", f"{tier.capitalize()} members", "member",
         {"line": {"percent": percent, "of": NOT}}, priority=priority, basis="net", when=[{"tier": [tier]}])
for category in ["books", "music", "films", "games", "toys", "garden", "kitchen", "bath", "bedding", "lighting"]:
    rule(f"gold-{category}", f"Gold members like {category}", "member",
         {"line": {"percent": 10, "of": {"category": [category]}}}, priority=20, basis="net",
         when=[{"tier": ["gold", "platinum"]}])

family("Shipping, by region and by what is spent.")
REGIONS = {"AT": 50, "BE": 50, "CH": 150, "CZ": 60, "DE": 39, "DK": 60, "ES": 80, "FI": 90, "FR": 60, "HU": 70,
           "IE": 90, "IT": 70, "LU": 50, "NL": 39, "NO": 150, "PL": 60, "PT": 90, "SE": 80, "SI": 70, "SK": 70}
for region, spend in REGIONS.items():
    rule(f"shipping-{region.lower()}", f"Free shipping to {region} from {spend}.00", "shipping",
         {"charge": {"kind": "shipping", "percent": 100}},
         when=[{"region": [region]}, {"subtotal": {"at_least": spend}}])
rule("shipping-app", "2.00 off shipping in the app", "shipping", {"charge": {"kind": "shipping", "amount": 2}},
     when=[{"channel": ["app"]}])

family("Hours: a part off in the slow hours of the week, in the shop's time.")
DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
for at, day in enumerate(DAYS):
    rule(f"early-{day}", f"Early {day.capitalize()}", "order", {"order": {"percent": 2}},
         when=[{"weekly": {"days": [day], "from": "06:00", "until": "08:00"}}, {"subtotal": {"at_least": 10}}], cap=20)
rule("night-owls", "Night owls", "order", {"order": {"percent": 3}},
     when=[{"weekly": {"days": ["fri", "sat"], "from": "23:00", "until": "02:00"}}], cap="15.50")

family("Ways to pay and to come.")
rule("pay-wallet", "1 % off by wallet", "payment", {"order": {"percent": 1}}, basis="net",
     when=[{"payment": ["wallet"]}])
rule("pay-account", "Businesses on account", "payment", {"order": {"percent": "1.5"}}, basis="net",
     when=[{"payment": ["account"]}, {"any": [{"tier": ["gold"]}, {"quantity": {"at_least": 50}}]}])
rule("app-5", "5.00 off in the app", "order", {"order": {"amount": 5}},
     when=[{"channel": ["app"]}, {"subtotal": {"at_least": 40}}], limits={"uses": 1000, "budget": 4000})
rule("pickup", "Picked up: 1.00 off each unit of drinks", "goods", {"unit": {"amount": 1, "of": {"category": ["drinks"]}}},
     when=[{"channel": ["pickup"]}])

family("Coupons: a rule for each batch of codes.")
rule("coupon-stop", "Staff price", "coupon", {"order": {"percent": 30}}, coupon=["staff"], stop=True, priority=100)
rule("coupon-not-welcome", "Coupon WINTER", "coupon", {"order": {"amount": 15}}, coupon=["winter"],
     exclusive=["welcome"], when=[{"subtotal": {"at_least": 50}}])
for at in range(20):
    rule(f"coupon-{5 * (at + 1)}", f"Coupon over {5 * (at + 1)}.00", "coupon", {"order": {"amount": 5 * (at + 1)}},
         coupon=[f"minus-{5 * (at + 1)}"], when=[{"subtotal": {"at_least": 50 * (at + 1)}}])
for category in ["books", "music", "films", "games", "toys", "garden", "kitchen", "shoes", "shirts", "coats"]:
    rule(f"coupon-{category}", f"Coupon for {category}", "coupon",
         {"line": {"percent": 20, "of": {"category": [category]}}}, coupon=[f"twenty-{category}"], cap=50)

family("Gifts.")
for at, category in enumerate(["cosmetics", "perfume", "books", "toys", "garden", "kitchen", "coats", "camping"]):
    rule(f"gift-{category}", f"A gift with {category}", "gift",
         {"gift": {"sku": f"GIFT-{category.upper()}", "quantity": 1}}, priority=at,
         when=[{"subtotal": {"at_least": 60, "of": {"category": [category]}}}], limits={"uses": 500})
rule("gift-any", "A tote bag from 200.00", "gift", {"gift": {"sku": "GIFT-TOTE", "quantity": 1}},
     priority=-1, when=[{"subtotal": {"at_least": 200}}])
