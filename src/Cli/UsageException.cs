using Kotonoha.Foundation;

namespace Kotonoha.Cli;

/// <summary>The command line asks for something that cannot be done as it stands (a missing folder, options that exclude each other).</summary>
internal sealed class UsageException(string message) : KotonohaException(message);
