using Kotonoha.Cli.Commands;
using Kotonoha.Cli.Workspaces;
using Kotonoha.LocalModel.Generation;

namespace Kotonoha.Cli.Models;

/// <summary>The GPT of a workspace, loaded; what it runs on is told on standard error.</summary>
internal sealed class LoadedModel : IDisposable
{
    private LoadedModel(LocalGpt gpt)
    {
        Gpt = gpt;
        Scorer = new GptSentenceScorer(gpt);
    }

    public LocalGpt Gpt { get; }

    public GptSentenceScorer Scorer { get; }

    public static LoadedModel Open(string path, int? threads, AdapterSettings adapter = default)
    {
        var gpt = LocalGpt.Load(path, adapter.Apply(new LocalGptOptions { Threads = threads }));
        Console.Error.WriteLine($"GPT: {gpt.Description}");
        foreach (var remark in gpt.Remarks)
            Console.Error.WriteLine($"  {remark}");
        return new LoadedModel(gpt);
    }

    public static LoadedModel? OpenOrNull(Workspace workspace, FolderSettings settings)
    {
        if (ModelBuilder.Exists(workspace))
            return Open(workspace.Model, settings.Threads);
        Console.Error.WriteLine("No GPT has been trained on this folder ('kotonoha train' does it); sentences are ranked by their words alone.");
        return null;
    }

    public void Dispose() => Gpt.Dispose();
}
