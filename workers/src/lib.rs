//! The workers of wikiingest: what fetches Wikimedia's data and lands it in a warehouse and a lake.
