namespace Kotonoha.Rag;

/// <summary>The texts of the folder Prompts, which are embedded in the assembly.</summary>
internal static class Prompts
{
    /// <summary>A text by its file's name, without line breaks at its end.</summary>
    public static string Read(string name)
    {
        using var stream = typeof(Prompts).Assembly.GetManifestResourceStream("Kotonoha.Rag.Prompts." + name)
            ?? throw new InvalidOperationException($"The resource {name} is missing from the assembly.");
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd().ReplaceLineEndings("\n").TrimEnd('\n');
    }
}
