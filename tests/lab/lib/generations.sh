# shellcheck shell=bash
# Generations in a machine: built by its nix, of the module with stand-ins for nixpkgs' packages and for Home Manager, or
# with Home Manager itself where a checkout is given.

generations_begin() {
    nix_sources_in
    checkouts_in
    copy_in "$(nix_tool "$SD_SWITCH")" tools
    put .config/nix/nix.conf <<'END'
sandbox = false
substituters =
build-users-group =
END
}

# generation NAME STACK=TAG… [STACK.OPTION=VALUE]… [.OPTION=VALUE]… [package=VERSION] [fails=ENTRY]: builds it; each stack
# has one service, `web`. With `fails` the activation ends in an entry before that one.
generation() {
    local name=$1 word stack version=1 stacks='' more=''
    shift
    for word; do
        case $word in
        package=*) version=${word#*=} ;;
        fails=*) more="home.activation.fails = { before = [ \"${word#*=}\" ]; after = [ \"linkGeneration\" ]; data = \"exit 3\"; };" ;;
        .*=*) stacks+="${word#.};"$'\n' ;;
        *.*=*) stacks+="stacks.${word%%=*} = ${word#*=};"$'\n' ;;
        *)
            stack=${word%%=*}
            put "generations/$name/$stack.yml" <<END
services:
  web: { image: "$REGISTRY/$stack:${word#*=}", environment: { MODE: "\${MODE:-}", SECRET: "\${SECRET:-}" } }
END
            stacks+="stacks.$stack.composeFiles = [ ./$stack.yml ];"$'\n'
            ;;
        esac
    done
    put "generations/$name/default.nix" <<END
{ services.stackwarden = { enable = true; $stacks }; $more }
END
    build "$name" "$version"
}

# build NAME [VERSION]: the generation of generations/NAME/default.nix.
build() {
    local name=$1 version=${2:-1} path
    path=$(user nix-build --no-out-link --expr "(import $HOME_IN/src/nix/tests/evaluate.nix {
        ${REAL:-nixpkgsLib = $HOME_IN/lib;} build = true; generation = \"$version\";
        modules = [ $HOME_IN/generations/$name/default.nix ];
    }).config.home.activationPackage" 2>"$MACHINE/build.log") || fail "generation $name: $(cat "$MACHINE/build.log")"
    user ln -sfn "$path" "generations/$name/result"
}

# switch NAME: activates the generation; OUT is what it said. DRY=1: a dry run.
switch() { switch_fails 0 "$1"; }
switch_fails() { # CODE NAME
    assert_exit "$1" user env ${DRY:+DRY_RUN=1} "generations/$2/result/activate"
}

# --- three stacks, with health checks, and what is seen of their containers

started() { inspect "$1-web-1" '{{.State.StartedAt}} {{.Id}}'; } # STACK
running() { inspect "$1-web-1" '{{index .Config.Labels "marker"}} {{.State.Status}}'; }
variables() { inspect a-web-1 '{{range .Config.Env}}{{println .}}{{end}}' | grep -E '^(MODE|SECRET)=' | sort | tr '\n' ' '; }
declare -A STARTED=()
remember() { local stack; for stack; do STARTED[$stack]=$(started "$stack"); done; }
assert_kept() { local stack; for stack; do assert_eq "$(started "$stack")" "${STARTED[$stack]}" "the container of $stack"; done; }
assert_green() {
    assert_exit 0 user stack-audit --json
    assert_json "$OUT" '.findings == [] and .notes == []'
}


# Another image, variable and secret for `a` in the second generation, and no `c` in the third.
three_generations() {
    local stack name
    generations_begin
    for stack in a b c; do image "$stack:1" "$stack-1" health=ok >/dev/null; done
    image a:2 a-2 health=ok >/dev/null
    for name in one two; do put "secrets/$name.env" 600 <<<"SECRET=$name"; done
    ONE=(a=1 b=1 c=1 a.environment='{ MODE = "one"; }' a.environmentFiles="[ \"$HOME_IN/secrets/one.env\" ]")
    TWO=(a=2 b=1 a.environment='{ MODE = "two"; }' a.environmentFiles="[ \"$HOME_IN/secrets/two.env\" ]")
    generation one "${ONE[@]}"
    generation two "${TWO[@]}" c=1
    generation three "${TWO[@]}"
}

# The first of them is in place.
first_generation() {
    local stack
    switch one
    assert_contains "$OUT" 'are linked, loaded and enabled as declared'
    for stack in a b c; do
        assert_unit "$stack.service" active
        assert_eq "$(running "$stack")" "$stack-1 running"
        wait_until 60 unit_is "stack-verify@$stack.service" inactive
    done
    assert_green
}
