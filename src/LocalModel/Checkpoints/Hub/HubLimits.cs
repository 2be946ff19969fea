namespace Kotonoha.LocalModel.Checkpoints.Hub;

/// <summary>The sizes and counts that the exchange with a hub keeps to.</summary>
internal static class HubLimits
{
    public const int MaxNameLength = 96;
    public const int MaxListBytes = 64 << 20;
    public const int MaxErrorBytes = 4 << 10;
    public const int MaxRedirects = 10;
    public const int MaxAttempts = 6;
    public const int CopyBytes = 1 << 18;
    public const int FlushBytes = 64 << 20;
    public static readonly TimeSpan MaxRetryAfter = TimeSpan.FromMinutes(2);
}
