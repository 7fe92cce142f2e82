//! What readers look for: words that the mutator inserts.

/// For `readers::config`.
pub const CONFIG: &[&str] = &[
    "[systems.lj13]\n",
    "[samplers.md]\n",
    "[profiles.quick]\n",
    "[sweep]\n",
    "[metrics]\n",
    "temperature = ",
    "kind = ",
    "\"md\"",
    "\"pita\"",
    "\"replica-exchange\"",
    "\"external\"",
    "baseline = \"../../baselines/numpy-mala\"",
    "seeds = [",
    "ladder = [",
    "reference",
    "\"samplers.md.step\" = [1, 2]",
    "settings",
    "{ ",
    " }",
    "[[",
    "]]",
    "'''",
    "\\u0000",
    "profile = \"quick\"",
    "systems = [\"lj13\"]",
    "budget = ",
    "net.backbone = \"dit\"",
];

/// For `readers::overrides`.
pub const OVERRIDES: &[&str] =
    &[".", "=", ",", "[", "]", "\"", "samplers.", "systems.", "metrics.n=", "seeds=", "\0", "true"];

/// For `readers::npz`.
pub const NPZ: &[&str] = &[
    "'<f8'",
    "'<f4'",
    "'>f8'",
    "'<i8'",
    "'|u1'",
    "'|b1'",
    "'<U5'",
    "'|O'",
    "True",
    "False",
    "(",
    ")",
    ",",
    "'shape': ",
    "(2, 3)",
    "()",
    "(0, 18446744073709551615)",
    "[('a', '<f8')]",
    "\x50\x4b\x03\x04",
    "\x50\x4b\x01\x02",
    "NUMPY",
];

/// For `readers::safetensors`.
pub const SAFETENSORS: &[&str] = &[
    "\"dtype\"",
    "\"shape\"",
    "\"data_offsets\"",
    "\"F32\"",
    "\"F64\"",
    "\"I64\"",
    "\"U8\"",
    "\"BF16\"",
    "[",
    "]",
    ",",
    "{",
    "}",
    "[0, 8]",
    "__metadata__",
    "18446744073709551615",
    "4294967296",
];

/// For `readers::pdb`.
pub const PDB: &[&str] = &[
    "ATOM  ",
    "HETATM",
    "TER\n",
    "END\n",
    "ENDMDL\n",
    "MODEL     ",
    "CONECT",
    "ALA",
    " CA ",
    "   1.000",
    "99999",
    "\u{e9}",
    "\u{2028}",
    "\r\n",
    "\t",
];

/// For `readers::xml`.
pub const XML: &[&str] = &[
    "<Particle q=\"0\" sig=\"1\" eps=\"0\"/>",
    "<Force ",
    "</Force>",
    "type=\"",
    "version=\"",
    "HarmonicBondForce",
    "NonbondedForce",
    "CustomGBForce",
    "GBSAOBCForce",
    "p1=\"",
    "\" ",
    "/>",
    "<!--",
    "-->",
    "&amp;",
    "&#0;",
    "<![CDATA[",
    "<?xml version=\"1.0\" ?>",
    "mass=\"",
    "cutoff=\"",
    "exp(",
    "^3",
    "sqrt(",
    "*",
    "; ",
];

/// For `readers::jsonl`.
pub const JSONL: &[&str] =
    &["{", "}", "\n", "\"n\":", "\"event\":", "\"scalars\"", "\"finished\"", "null", "[", ":", "1e999"];

/// For `readers::record`.
pub const RECORD: &[&str] = &[
    "{",
    "}",
    "[[[[[[[[",
    "{\"a\":{\"a\":{\"a\":",
    "null",
    "1e999",
    "-0.0",
    "\"spec\":",
    "\"metrics\":[",
    "\"kind\":\"md\"",
    "\"sampling\":",
    "\"\\u0000\"",
    "18446744073709551616",
    "  ../x",
    "  evaluations/0123456789abcdef.json",
    "\n",
];

/// For `readers::bundle`.
pub const BUNDLE: &[&str] = &[
    "../",
    "/",
    "x-s0-a1",
    "bundle.json",
    "spec.json",
    "samples.npz",
    "\"files\":[",
    "\"size\":",
    "\"sha256\":",
    "\"format\":",
    "ustar",
    "0000644",
    "{",
    "}",
    "[]",
];

/// For `readers::baseline`.
pub const BASELINE: &[&str] = &[
    "kind = \"external\"\n",
    "command = [",
    "\"python3\"",
    "protocol = \"pipe\"",
    "timeout = ",
    "[settings]\n",
    "[[",
    "'''",
    "= ",
];
