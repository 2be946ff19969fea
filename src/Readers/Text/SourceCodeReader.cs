namespace Kotonoha.Readers;

/// <summary>Reads source code and configuration files as they are written; the media type names the language.</summary>
internal sealed class SourceCodeReader : IDocumentReader
{
    private static readonly Dictionary<string, string> Languages = new(StringComparer.OrdinalIgnoreCase)
    {
        [".cs"] = "csharp",
        [".fs"] = "fsharp",
        [".vb"] = "vb",
        [".py"] = "python",
        [".js"] = "javascript",
        [".mjs"] = "javascript",
        [".jsx"] = "javascript",
        [".ts"] = "typescript",
        [".tsx"] = "typescript",
        [".java"] = "java",
        [".kt"] = "kotlin",
        [".scala"] = "scala",
        [".c"] = "c",
        [".h"] = "c",
        [".cpp"] = "c++",
        [".cc"] = "c++",
        [".hpp"] = "c++",
        [".go"] = "go",
        [".rs"] = "rust",
        [".rb"] = "ruby",
        [".php"] = "php",
        [".swift"] = "swift",
        [".lua"] = "lua",
        [".pl"] = "perl",
        [".r"] = "r",
        [".jl"] = "julia",
        [".dart"] = "dart",
        [".sh"] = "shellscript",
        [".bash"] = "shellscript",
        [".ps1"] = "powershell",
        [".sql"] = "sql",
        [".css"] = "css",
        [".scss"] = "scss",
        [".xml"] = "xml",
        [".xsd"] = "xml",
        [".toml"] = "toml",
        [".ini"] = "ini",
        [".proto"] = "protobuf",
        [".tf"] = "terraform",
        [".tex"] = "tex",
    };

    /// <inheritdoc/>
    public string MediaType => "text/x-source";

    /// <inheritdoc/>
    public IReadOnlyList<string> Extensions { get; } = [.. Languages.Keys];

    /// <inheritdoc/>
    public ValueTask<ExtractedDocument> ReadAsync(byte[] content, string name, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(content);
        var builder = new ExtractedTextBuilder(name);
        builder.Add(BlockKind.Code, TextDecoder.Decode(content, name).TrimEnd());
        var language = Languages.GetValueOrDefault(Path.GetExtension(name), "source");
        return ValueTask.FromResult(builder.Build(Path.GetFileName(name), $"text/x-{language}"));
    }
}
