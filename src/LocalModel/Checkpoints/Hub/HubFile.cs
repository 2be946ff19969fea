namespace Kotonoha.LocalModel.Checkpoints.Hub;

/// <summary>What a hub says about a file of a model before it sends it.</summary>
/// <param name="Name">The name, with '/' between folders.</param>
/// <param name="Address">Where its content is asked for.</param>
/// <param name="Digest">Its hash.</param>
/// <param name="Size">Its length in bytes.</param>
internal sealed record HubFile(string Name, Uri Address, HubDigest Digest, long Size);
