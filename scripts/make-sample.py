#!/usr/bin/env python3
"""Writes the sample of the quick start: invented recipes in four languages, with vectors, and queries to search them.

scripts/make-sample.py [--out DIR]        writes recipes.jsonl and the queries (default: samples/)
scripts/make-sample.py --embed "TEXT"     prints a search body for a text of your own

A vector is a hashed bag of words: every word stands for a fixed direction, and words that mean the same in two languages
share one, so that near means alike. The output depends on nothing but this file.
"""

import argparse
import hashlib
import json
import math
import pathlib
import re

DIM = 64
COUNT = 1000
LANGUAGES = ["en", "fr", "es", "de"]

# Each row: the same thing in the order of LANGUAGES; the first word names it in payloads.
DISHES = [
    ("soup", "soupe", "sopa", "Suppe"), ("salad", "salade", "ensalada", "Salat"), ("cake", "gâteau", "pastel", "Kuchen"),
    ("bread", "pain", "pan", "Brot"), ("stew", "ragoût", "guiso", "Eintopf"), ("pie", "tourte", "empanada", "Pastete"),
]
QUALITIES = [
    ("spicy", "au piment", "picante", "scharf"), ("quick", "express", "exprés", "schnell"),
    ("smoky", "au feu de bois", "al humo", "rauchig"), ("summery", "d'été", "de verano", "sommerlich"),
    ("wintry", "d'hiver", "de invierno", "winterlich"), ("festive", "de fête", "de fiesta", "festlich"),
    ("creamy", "à la crème", "a la crema", "cremig"), ("rustic", "de campagne", "de campo", "ländlich"),
]
SAVOURY = [
    ("tomato", "tomate", "tomate", "Tomate"), ("basil", "basilic", "albahaca", "Basilikum"), ("onion", "oignon", "cebolla", "Zwiebel"),
    ("garlic", "ail", "ajo", "Knoblauch"), ("potato", "patate", "papa", "Kartoffel"), ("carrot", "carotte", "zanahoria", "Karotte"),
    ("lentils", "lentilles", "lentejas", "Linsen"), ("chicken", "poulet", "pollo", "Huhn"), ("salmon", "saumon", "salmón", "Lachs"),
    ("cheese", "fromage", "queso", "Käse"), ("mushroom", "champignon", "seta", "Pilz"), ("spinach", "épinards", "espinacas", "Spinat"),
    ("rice", "riz", "arroz", "Reis"), ("pumpkin", "potiron", "calabaza", "Kürbis"), ("ginger", "gingembre", "jengibre", "Ingwer"),
]
SWEET = [
    ("apple", "pomme", "manzana", "Apfel"), ("lemon", "citron", "limón", "Zitrone"), ("chocolate", "chocolat", "chocolate", "Schokolade"),
    ("almond", "amande", "almendra", "Mandel"), ("cherry", "cerise", "cereza", "Kirsche"), ("honey", "miel", "miel", "Honig"),
    ("cinnamon", "cannelle", "canela", "Zimt"), ("pear", "poire", "pera", "Birne"), ("walnut", "noix", "nuez", "Walnuss"),
]
TITLES = {
    "en": "{quality} {dish} with {a}, {b} and {c}", "fr": "{dish} {quality} : {a}, {b} et {c}",
    "es": "{dish} {quality}: {a}, {b} y {c}", "de": "{dish}, {quality}, mit {a}, {b} und {c}",
}
TEXTS = {
    "en": "Serves {serves}, ready in {minutes} minutes.", "fr": "Pour {serves} personnes, en {minutes} minutes.",
    "es": "Para {serves} personas, en {minutes} minutos.", "de": "Für {serves} Personen, in {minutes} Minuten.",
}
WORDS = re.compile(r"[^\W\d_]+")
# Words that link others and mean nothing alone; the words of TEXTS, which every recipe has.
FILLERS = set("a al au and bois d de en et für in la mit to un und with y à the of".split())
FILLERS |= {word.lower() for text in TEXTS.values() for word in WORDS.findall(text.replace("{serves}", "").replace("{minutes}", ""))}

MEANINGS = {word.lower(): row[0] for row in DISHES + QUALITIES + SAVOURY + SWEET for name in row
            for word in WORDS.findall(name) if word.lower() not in FILLERS}


def draw(what, index, below):
    """A number in [0, below) that depends on nothing but the arguments."""
    return int.from_bytes(hashlib.sha256(f"{what}:{index}".encode()).digest()[:8], "big") % below


def direction(meaning):
    bits = int.from_bytes(hashlib.sha256(meaning.encode()).digest()[:DIM // 8], "big")
    return [1.0 if bits >> i & 1 else -1.0 for i in range(DIM)]


def embed(text):
    total = [0.0] * DIM
    for word in WORDS.findall(text.lower()):
        if word not in FILLERS:
            total = [t + d for t, d in zip(total, direction(MEANINGS.get(word, word)))]
    length = math.sqrt(sum(t * t for t in total))
    if length == 0:
        raise SystemExit(f"there is no word to embed in {text!r}")
    return [round(t / length, 4) for t in total]


def recipe(index):
    language = draw("language", index, len(LANGUAGES))
    dish = DISHES[draw("dish", index, len(DISHES))]
    quality = QUALITIES[draw("quality", index, len(QUALITIES))]
    larder = SWEET if dish[0] == "cake" else SAVOURY + SWEET if dish[0] in ("bread", "pie") else SAVOURY
    ingredients = sorted(larder, key=lambda row: draw(row[0], index, 1 << 32))[:3]
    lang = LANGUAGES[language]
    a, b, c = (row[language] for row in ingredients)
    title = TITLES[lang].format(dish=dish[language], quality=quality[language], a=a, b=b, c=c)
    title = title[0].upper() + title[1:]
    minutes = 10 + 5 * draw("minutes", index, 19)
    return {
        "id": f"recipe-{index:04}",
        "title": title,
        "text": TEXTS[lang].format(serves=2 + draw("serves", index, 5), minutes=minutes),
        "category": dish[0],
        "lang": lang,
        "price": round(3 + draw("price", index, 2200) / 100, 2),
        "year": 1995 + draw("year", index, 31),
        "minutes": minutes,
        "tags": [quality[0], *(row[0] for row in ingredients)],
        "vector": embed(title),
    }


def compact(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path(__file__).resolve().parent.parent / "samples")
    parser.add_argument("--embed", metavar="TEXT")
    arguments = parser.parse_args()
    if arguments.embed is not None:
        print(compact({"vector": embed(arguments.embed), "top_k": 5}), end="")
        return
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "recipes.jsonl").write_text("".join(compact(recipe(index)) for index in range(COUNT)))
    query = {"vector": embed("spicy tomato soup with basil"), "top_k": 5}
    (arguments.out / "query.json").write_text(compact(query))
    (arguments.out / "query-vector.txt").write_text(" ".join(map(str, query["vector"])) + "\n")
    query["filter"] = {"must": [{"key": "lang", "match": {"value": "fr"}}, {"key": "price", "range": {"lt": 15}},
                                {"key": "tags", "match": {"any": ["spicy", "creamy"]}}]}
    (arguments.out / "query-filtered.json").write_text(compact(query))


if __name__ == "__main__":
    main()
