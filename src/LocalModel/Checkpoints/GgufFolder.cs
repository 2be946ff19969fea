using Kotonoha.Foundation;

namespace Kotonoha.LocalModel.Checkpoints;

/// <summary>Finds the GGUF file that a path means.</summary>
internal static class GgufFolder
{
    private const string Extension = ".gguf";
    private const int MostNamesInAMessage = 5;

    /// <summary>
    /// The file itself, or the only one of a folder that holds no checkpoint of another layout; null where the path means no GGUF file.
    /// </summary>
    /// <exception cref="CheckpointException">The folder holds several.</exception>
    public static string? Find(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (File.Exists(path))
            return path.EndsWith(Extension, StringComparison.OrdinalIgnoreCase)
                ? path
                : throw new CheckpointException(path,
                    $"this is no model. Give a folder of a saved model, or a file that ends in {Extension}.");
        if (IsMissingFile(path))
            throw new CheckpointException(path, "there is no such file. Give the path of a GGUF file that exists.");
        if (!Directory.Exists(path) || File.Exists(Path.Combine(path, ModelCheckpoint.ConfigFileName))
            || File.Exists(Path.Combine(path, CheckpointFolder.LatestFile)))
            return null;
        var files = Directory.EnumerateFiles(path, "*" + Extension).Order(StringComparer.Ordinal).ToList();
        return files.Count switch
        {
            0 => null,
            1 => files[0],
            _ => throw new CheckpointException(path, $"the folder holds several models "
                + $"({string.Join(", ", files.Take(MostNamesInAMessage).Select(Path.GetFileName))}"
                + $"{(files.Count > MostNamesInAMessage ? ", …" : "")}). Give one of the files."),
        };
    }

    /// <summary>Whether a path is meant as a GGUF file and nothing is there.</summary>
    internal static bool IsMissingFile(string path) => path.EndsWith(Extension, StringComparison.OrdinalIgnoreCase) && !Path.Exists(path);
}
