namespace Kotonoha.LocalModel.Tokenizers.Patterns;

/// <summary>Whose reading of a pattern holds where regular-expression engines differ.</summary>
internal enum RegexDialect
{
    /// <summary>
    /// Oniguruma's own syntax, which the patterns of tokenizer.json are written in: <c>^</c> and <c>$</c> hold at every line, <c>(?m)</c>
    /// lets the dot match line ends, a quantifier after an interval repeats it.
    /// </summary>
    Oniguruma,

    /// <summary>
    /// That of Rust's <c>fancy-regex</c>, which tiktoken's <c>pat_str</c> is written in: <c>^</c> and <c>$</c> hold at the ends of the text
    /// unless <c>(?m)</c> is on, <c>(?s)</c> lets the dot match line ends, <c>{1,3}+</c> is possessive.
    /// </summary>
    Rust,
}
