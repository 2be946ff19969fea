namespace Kotonoha.LocalModel.Checkpoints.Hub;

/// <summary>A model in the cache.</summary>
/// <param name="Id">Its name, <c>OWNER/NAME</c>.</param>
/// <param name="Commit">The commit that its revision stands for.</param>
/// <param name="Path">What a loader takes: the snapshot's folder, or the GGUF file in it where that is the model.</param>
/// <param name="Files">The names of the files that belong to it, with '/' between folders.</param>
/// <param name="FetchedBytes">How much was fetched for it just now; 0 where everything was there.</param>
public sealed record HubModel(string Id, string Commit, string Path, IReadOnlyList<string> Files, long FetchedBytes);
