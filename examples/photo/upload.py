import sys, requests

with open(sys.argv[1], "rb") as photo:
    print(requests.post("http://127.0.0.1:8000/classify", files={"photo": photo}).json())
