using System.Text.Json;
using Kotonoha.Foundation;

namespace Kotonoha.Cli.Workspaces;

/// <summary>The sample documents and questions: in the checkout, or beside the installed tool.</summary>
internal static class Samples
{
    /// <summary>The folder of the sample documents.</summary>
    public static string Documents => Path.Combine(Folder, "documents");

    private static string Folder
    {
        get
        {
            for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
                if (Directory.Exists(Path.Combine(folder.FullName, "samples", "documents")))
                    return Path.Combine(folder.FullName, "samples");
            throw new KotonohaException("the sample documents are not here; name a folder with --docs DIR");
        }
    }

    /// <summary>The sample's questions.</summary>
    public static IReadOnlyList<string> Questions()
    {
        using var file = JsonDocument.Parse(File.ReadAllText(Path.Combine(Folder, "questions.json")));
        return [.. file.RootElement.EnumerateArray().Select(q => q.GetProperty("question").GetString()!)];
    }
}
