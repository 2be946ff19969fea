using Kotonoha.Foundation;

namespace Kotonoha.Server;

/// <summary>A setting of the server cannot be used.</summary>
/// <param name="setting">Its name.</param>
/// <param name="problem">What is wrong with it.</param>
public sealed class ServerSettingException(string setting, string problem) : KotonohaException($"setting '{setting}': {problem}")
{
    /// <summary>The setting's name.</summary>
    public string Setting { get; } = setting;
}
