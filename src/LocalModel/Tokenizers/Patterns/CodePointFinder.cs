using Kotonoha.Foundation.Unicode;

namespace Kotonoha.LocalModel.Tokenizers.Patterns;

/// <summary>Finds single code points; each is a match of its own.</summary>
internal sealed class CodePointFinder(Func<int, bool> wanted) : IMatchFinder
{
    /// <inheritdoc/>
    public void FindAll(ReadOnlySpan<char> text, List<RegexMatch> matches)
    {
        for (int at = 0; at < text.Length;)
        {
            int start = at;
            if (wanted(CodePoints.Next(text, ref at)))
                matches.Add(new RegexMatch(start, at));
        }
    }
}
