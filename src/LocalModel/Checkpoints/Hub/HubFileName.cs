namespace Kotonoha.LocalModel.Checkpoints.Hub;

/// <summary>Guards the file names that a hub sends: they become paths on this machine.</summary>
internal static class HubFileName
{
    /// <summary>Refuses a name that does not stay below the folder it is put into, on any operating system.</summary>
    /// <exception cref="HubException">The name is not safe.</exception>
    public static string Check(string name)
        => IsSafe(name) ? name : throw new HubException($"The hub names a file '{Printable(name)}', which is no name of a file below a model's folder; nothing of it was fetched.");

    /// <summary>Whether a name stays below the folder it is put into, on any operating system.</summary>
    public static bool IsSafe(string name)
        => name.Length is > 0 and < 1024 && !name.Any(c => c is < ' ' or '\\' or ':' or '\u007F')
            && name.Split('/').All(part => part.Length > 0 && part is not ("." or "..") && part[^1] is not ('.' or ' '));

    /// <summary>The path of a checked name below a folder.</summary>
    public static string Below(string folder, string name)
    {
        var path = Path.GetFullPath(Path.Combine([folder, .. Check(name).Split('/')]));
        return path.StartsWith(Path.GetFullPath(folder) + Path.DirectorySeparatorChar, StringComparison.Ordinal)
            ? path
            : throw new HubException($"The name '{Printable(name)}' leads out of '{folder}'.");
    }

    /// <summary>A text of a server as one line of an error message.</summary>
    public static string Printable(string text)
        => new([.. text.Take(200).Select(c => char.IsControl(c) ? ' ' : c)]);
}
