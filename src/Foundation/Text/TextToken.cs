namespace Kotonoha.Foundation.Text;

/// <summary>One term that the analyzer found.</summary>
/// <param name="Term">The term in its normal form (NFKC, case folded).</param>
/// <param name="Start">Where it starts in the original text, in UTF-16 units.</param>
/// <param name="End">Where it ends (exclusive), in UTF-16 units.</param>
public readonly record struct TextToken(string Term, int Start, int End);
