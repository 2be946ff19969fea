using System.Globalization;

namespace Kotonoha.Server.Tests;

/// <summary>OpenAI's JavaScript client against the real server: each call is one of <c>openai-client.mjs</c>.</summary>
public sealed class JavaScriptClientTests
{
    private const string Client = "openai@7.59.0";
    private const int Calls = 18;

    [Fact]
    public async Task Every_call_comes_out_as_it_must()
    {
        var folder = await NodePackage.InstallAsync(Client);
        await using var server = await RunningServer.StartAsync();
        var script = Path.Combine(AppContext.BaseDirectory, "openai-client.mjs");
        var (code, output) = await NodePackage.RunNodeAsync(
            folder, script, new Uri(server.Address, "/v1").ToString(), RunningServer.Model, folder);
        Assert.True(code == 0, output);
        int right = output.Split('\n').Count(line => line.StartsWith("ok ", StringComparison.Ordinal));
        Assert.True(right == Calls, right.ToString(CultureInfo.InvariantCulture) + output);
    }
}
