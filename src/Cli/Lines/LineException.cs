using Kotonoha.Foundation;

namespace Kotonoha.Cli.Lines;

/// <summary>A line that asks for something that is not understood; it is answered with the message.</summary>
internal sealed class LineException(string message) : KotonohaException(message);
