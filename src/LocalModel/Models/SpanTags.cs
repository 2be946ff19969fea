namespace Kotonoha.LocalModel.Models;

/// <summary>A labelled stretch of tokens or characters.</summary>
/// <param name="Start">The first one.</param>
/// <param name="End">The one behind the last.</param>
/// <param name="Label">What it is.</param>
public readonly record struct LabeledSpan(int Start, int End, string Label);

/// <summary>Tags of tokens, such as B-PER, I-PER and O, which say where stretches begin and go on.</summary>
public static class SpanTags
{
    /// <summary>The tag of a token that is in no stretch.</summary>
    public const string Outside = "O";

    /// <summary>
    /// The stretches of a sequence of tags: B-PER begins one, I-PER goes on with it (or begins one where none of its label is open), O is
    /// outside; S-, E- and U-, L- are read too. Neighbours with the same tag without such a prefix are one stretch.
    /// </summary>
    /// <param name="tags">One tag a token.</param>
    public static IReadOnlyList<LabeledSpan> SpansOf(IReadOnlyList<string> tags)
    {
        ArgumentNullException.ThrowIfNull(tags);
        var spans = new List<LabeledSpan>();
        bool open = false;
        for (int i = 0; i < tags.Count; i++)
        {
            if (tags[i] == Outside)
            {
                open = false;
                continue;
            }

            char prefix = HasPrefix(tags[i]) ? tags[i][0] : 'I';
            var label = LabelOf(tags[i]);
            if (open && prefix is not ('B' or 'S' or 'U') && spans[^1].Label == label)
                spans[^1] = spans[^1] with { End = i + 1 };
            else
                spans.Add(new LabeledSpan(i, i + 1, label));
            open = prefix is not ('E' or 'L' or 'S' or 'U');
        }

        return spans;
    }

    /// <summary>A tag without its prefix.</summary>
    internal static string LabelOf(string tag) => HasPrefix(tag) ? tag[2..] : tag;

    /// <summary>Whether a tag says where in its stretch it stands.</summary>
    internal static bool HasPrefix(string tag) => tag is ['B' or 'I' or 'E' or 'S' or 'U' or 'L', '-', _, ..];
}
