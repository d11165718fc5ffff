//! The root README shows only programs that also stand in a package's README, whose tests run them.

const RUN_ELSEWHERE: [&str; 4] =
    ["bindings-node/README.md", "bindings-python/README.md", "middleware/README.md", "sdk-rust/README.md"];

#[test]
fn every_program_of_the_readme_is_run_by_a_package() {
    let read = |path: &str| std::fs::read_to_string(quivive_tests::root().join(path)).expect("a README");
    let tested: Vec<String> = RUN_ELSEWHERE.into_iter().flat_map(|path| programs(&read(path))).collect();
    let shown = programs(&read("README.md"));
    assert!(shown.len() >= 4, "the README shows a program in each language");
    for program in shown {
        assert!(tested.contains(&program), "no package's README has this program:\n{program}");
    }
}

/// The fenced blocks that are programs.
fn programs(markdown: &str) -> Vec<String> {
    let fences: Vec<&str> = markdown.split("```").collect();
    let blocks = fences.iter().skip(1).step_by(2);
    blocks
        .filter(|block| ["js\n", "python\n", "rust"].iter().any(|language| block.starts_with(language)))
        .map(|block| (*block).to_owned())
        .collect()
}
