# nixpkgs' lib with what Home Manager adds to it, as far as the module uses it.
lib:
lib.extend (
  _: _: {
    hm.dag = rec {
      entryBetween = before: after: data: { inherit before after data; };
      entryAfter = entryBetween [ ];
      entryBefore = before: entryBetween before [ ];
      entryAnywhere = entryBetween [ ] [ ];
    };
  }
)
