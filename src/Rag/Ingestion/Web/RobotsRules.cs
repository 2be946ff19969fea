using System.Globalization;
using System.Text;

namespace Kotonoha.Rag.Ingestion.Web;

/// <summary>What a <c>robots.txt</c> says to one client (RFC 9309, with <c>Crawl-delay</c>).</summary>
internal sealed class RobotsRules
{
    /// <summary>More of a file is not read, as the standard allows.</summary>
    internal const int MaxBytes = 512 << 10;

    private static readonly TimeSpan LongestDelay = TimeSpan.FromMinutes(1);

    private readonly List<(string Pattern, bool Allows)> _rules = [];

    /// <summary>Everything is allowed: there is no file.</summary>
    internal static RobotsRules AllowAll { get; } = new();

    /// <summary>Nothing is allowed: the file may be there, but the server does not give it.</summary>
    internal static RobotsRules AllowNothing(string trouble) => new() { _rules = { ("/", false) }, Trouble = trouble };

    /// <summary>Why the file could not be read; null where it could, or is not there.</summary>
    internal string? Trouble { get; private init; }

    /// <summary>The time that the host wants between two requests, or null.</summary>
    internal TimeSpan? Delay { get; private set; }

    /// <summary>Reads a file.</summary>
    /// <param name="content">Its bytes.</param>
    /// <param name="agent">The client's product token.</param>
    internal static RobotsRules Parse(ReadOnlySpan<byte> content, string agent)
    {
        var text = Encoding.UTF8.GetString(content[..Math.Min(content.Length, MaxBytes)]).TrimStart('\uFEFF');
        RobotsRules own = new(), any = new();
        bool isNamed = false, inRules = true;
        List<RobotsRules> group = [];
        foreach (var whole in text.Split(['\n', '\r']))
        {
            var line = whole.Split('#', 2)[0];
            int colon = line.IndexOf(':', StringComparison.Ordinal);
            if (colon < 0)
                continue;
            var (name, value) = (line[..colon].Trim().ToLowerInvariant(), line[(colon + 1)..].Trim());
            switch (name)
            {
                case "user-agent":
                    if (inRules)
                        (group, inRules) = ([], false);
                    bool isOwn = Token(value).Equals(agent, StringComparison.OrdinalIgnoreCase);
                    isNamed |= isOwn;
                    if ((isOwn ? own : value == "*" ? any : null) is { } named && !group.Contains(named))
                        group.Add(named);
                    break;
                case "allow" or "disallow":
                    inRules = true;
                    if (value.Length > 0)
                        group.ForEach(rules => rules._rules.Add((Normalise(value), name == "allow")));
                    break;
                case "crawl-delay":
                    inRules = true;
                    if (double.TryParse(value, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var seconds)
                        && double.IsFinite(seconds))
                        group.ForEach(rules => rules.Delay = TimeSpan.FromSeconds(Math.Min(seconds, LongestDelay.TotalSeconds)));
                    break;
            }
        }

        return isNamed ? own : any;
    }

    /// <summary>Whether an address may be fetched: the longest pattern that fits decides, and of two the one that allows.</summary>
    internal bool Allows(Uri address)
    {
        var path = Normalise(address.PathAndQuery);
        if (path == "/robots.txt")
            return true;
        int longest = -1;
        bool allows = true;
        foreach (var (pattern, isAllowed) in _rules)
            if (pattern.Length >= longest && Fits(pattern, path) && (pattern.Length > longest || isAllowed))
                (longest, allows) = (pattern.Length, isAllowed);
        return allows;
    }

    private static string Token(string agent)
        => new([.. agent.TakeWhile(letter => char.IsAsciiLetterOrDigit(letter) || letter is '-' or '_')]);

    // What is written with and without percent signs is the same, except for what has a meaning of its own.
    private static string Normalise(string path)
    {
        var bytes = Encoding.UTF8.GetBytes(path);
        var normal = new StringBuilder(bytes.Length);
        for (int i = 0; i < bytes.Length; i++)
        {
            bool isEscaped = bytes[i] == '%' && i + 2 < bytes.Length && char.IsAsciiHexDigit((char)bytes[i + 1])
                && char.IsAsciiHexDigit((char)bytes[i + 2]);
            var value = isEscaped ? Convert.FromHexString(Encoding.ASCII.GetString(bytes, i + 1, 2))[0] : bytes[i];
            bool isPlain = isEscaped ? char.IsAsciiLetterOrDigit((char)value) || "-._~".Contains((char)value)
                : value is > 0x20 and < 0x7F;
            if (isPlain)
                normal.Append((char)value);
            else
                normal.Append(CultureInfo.InvariantCulture, $"%{value:X2}");
            i += isEscaped ? 2 : 0;
        }

        return normal.ToString();
    }

    /// <summary>A star stands for anything, a dollar sign at the end for the end; each star is settled at its first place that does, so the
    /// time is bounded by the product of the lengths.</summary>
    private static bool Fits(string pattern, string path)
    {
        bool isAnchored = pattern.EndsWith('$');
        var parts = (isAnchored ? pattern[..^1] : pattern).Split('*');
        if (!path.StartsWith(parts[0], StringComparison.Ordinal))
            return false;
        int at = parts[0].Length;
        for (int i = 1; i < parts.Length; i++)
        {
            if (isAnchored && i == parts.Length - 1)
                return path.Length - at >= parts[i].Length && path.EndsWith(parts[i], StringComparison.Ordinal);
            int found = path.IndexOf(parts[i], at, StringComparison.Ordinal);
            if (found < 0)
                return false;
            at = found + parts[i].Length;
        }

        return !isAnchored || at == path.Length;
    }
}
