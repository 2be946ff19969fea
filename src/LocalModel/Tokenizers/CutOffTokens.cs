namespace Kotonoha.LocalModel.Tokenizers;

/// <summary>What truncation cut off a text: parts of it, which may overlap.</summary>
/// <param name="Whole">The text before it was cut.</param>
/// <param name="Ranges">The parts.</param>
internal sealed record CutOffTokens(TokenSequence Whole, List<(int Start, int End)> Ranges)
{
    /// <summary>The parts, each made when it is asked for.</summary>
    public IEnumerable<TokenSequence> Parts => Ranges.Select(r => Whole.Slice(r.Start, r.End, overflow: true));
}
