//! `bindgen MODULE.wasm FOLDER`: what `wasm-bindgen --target bundler` does.

use wasm_bindgen_cli_support::Bindgen;

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(module), Some(folder)) = (arguments.next(), arguments.next()) else {
        anyhow::bail!("MODULE.wasm FOLDER");
    };
    let mut bindgen = Bindgen::new();
    bindgen.input_path(module).out_name("index").bundler(true)?.typescript(false);
    bindgen.generate(folder)
}
