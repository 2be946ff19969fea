namespace Kotonoha.LocalModel.Tokenizers.Patterns;

/// <summary>Finds all places of a text that a component of tokenizer.json asks for.</summary>
internal interface IMatchFinder
{
    /// <summary>Appends the matches from left to right; they do not overlap.</summary>
    void FindAll(ReadOnlySpan<char> text, List<RegexMatch> matches);
}
