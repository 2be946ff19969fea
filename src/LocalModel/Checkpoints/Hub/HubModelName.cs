using System.Text.RegularExpressions;

namespace Kotonoha.LocalModel.Checkpoints.Hub;

/// <summary>The name of a model on a hub.</summary>
/// <param name="Owner">The user or organisation.</param>
/// <param name="Name">The model.</param>
internal sealed partial record HubModelName(string Owner, string Name)
{
    /// <summary>The name of the model's folder in the cache.</summary>
    public string FolderName => $"models--{Owner}--{Name}";

    /// <summary>Reads <c>OWNER/NAME</c>; null when the text is not of this form.</summary>
    public static HubModelName? TryParse(string text)
    {
        int slash = text.IndexOf('/', StringComparison.Ordinal);
        return slash > 0 && text.Length <= HubLimits.MaxNameLength && IsPart(text[..slash]) && IsPart(text[(slash + 1)..])
            ? new HubModelName(text[..slash], text[(slash + 1)..])
            : null;
    }

    /// <summary>Reads <c>OWNER/NAME</c>.</summary>
    /// <exception cref="HubException">The text is not of this form.</exception>
    public static HubModelName Parse(string text)
        => TryParse(text) ?? throw new HubException(
            $"'{text}' is no model of a hub: give OWNER/NAME (letters, digits, '.', '_' and '-'; no '..' or '--'), at most {HubLimits.MaxNameLength} characters.");

    /// <summary>The name as the hub spells it.</summary>
    public override string ToString() => $"{Owner}/{Name}";

    // The hub's own rule, which also keeps the parts usable as names of folders.
    private static bool IsPart(string part)
        => Part().IsMatch(part) && !part.Contains("..", StringComparison.Ordinal) && !part.Contains("--", StringComparison.Ordinal)
            && !part.EndsWith(".git", StringComparison.Ordinal);

    [GeneratedRegex(@"\A[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?\z")]
    private static partial Regex Part();
}
